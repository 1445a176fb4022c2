// SPDX-License-Identifier: GPL-2.0-or-later
// Which lines the suites execute, by clang's coverage ("Source-based Code Coverage" of its manual).
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace stx {

/// Names of files, each with its executed lines, from 1.
using Coverage = std::map<std::string, std::set<int>>;

/// What `tracefile` counts (the format of lcov: SF:, DA:LINE,COUNT, end_of_record) of files below
/// `tree`, by their names there.
Coverage ParseTracefile(std::string_view tracefile, const std::filesystem::path& tree);

/// Reads the counters that a binary left in `folder`, one file per process or module, when it ran
/// with LLVM_PROFILE_FILE=FOLDER/%m%c, of these files of the tree. Throws if the tools of clang
/// cannot.
Coverage ReadCoverage(const std::filesystem::path& binary, const std::filesystem::path& folder,
                      const std::filesystem::path& tree, const std::vector<std::string>& files);

}  // namespace stx
