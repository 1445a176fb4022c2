// SPDX-License-Identifier: GPL-2.0-or-later
// Whole folders: filled beside their place and put there in one step.
#pragma once

#include <functional>
#include <string>

#include "restack/result.h"

namespace restack {

/// Both folders take each other's name in one step.
bool ExchangeFolders(const std::string& a, const std::string& b);
/// Makes the folder what `fill` writes into the one that it is given; the old content goes. On an
/// error the folder is as it was.
Result<void> FillFolder(const std::string& folder,
                        const std::function<Result<void>(const std::string&)>& fill);
/// Copies a folder with all that is in it, links as links.
Result<void> CopyFolder(const std::string& from, const std::string& to);

}  // namespace restack
