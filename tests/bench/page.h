// SPDX-License-Identifier: GPL-2.0-or-later
// docs/performance.md and its charts.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "bench/results.h"

namespace stx {

/// What a row may be of that of Debian's binary.
struct Goal {
  std::string row;
  double ratio = 0;
  std::string left;  ///< what stands in the way where it is not met
};

/// "ROW: RATIO: what is left" per line, and comments; ROW holds one ": ". Throws std::runtime_error
/// naming file and line for another one.
std::vector<Goal> ReadGoals(const std::filesystem::path& path);

struct Page {
  std::string markdown;
  std::map<std::string, std::string> charts;  ///< SVG, by the names of the files
};

/// `hardening` has the rows of a start for binaries without one option each; without a row, they are
/// not measured. `machine` says on what it was measured; `versions` are the binaries', by their
/// names. `folder` is where the page's links find its charts.
Page MakePage(const Results& results, const Results& hardening, const std::vector<Goal>& goals, const std::string& machine,
              const std::map<std::string, std::string>& versions, const std::string& folder);

}  // namespace stx
