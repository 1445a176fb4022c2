// SPDX-License-Identifier: GPL-2.0-or-later
// The patch for the target: what did not need to change stays byte for byte.
#pragma once

#include <string>

#include "restack/rebase.h"

namespace restack {

/// `landed_in`: for each file of the patch, its path in the target ("" if none).
Result<std::string> WritePatch(const Patch& patch, const std::string& original, int strip,
                               const std::vector<std::string>& landed_in, const PatchFiles& files,
                               const std::string& applies_to);

}  // namespace restack
