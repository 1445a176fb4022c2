// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <vector>

namespace restack {

/// The one folder that all paths lie in, with its slash; "" when there is none.
std::string TopFolder(const std::vector<std::string>& paths);

}  // namespace restack
