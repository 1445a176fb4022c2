// SPDX-License-Identifier: GPL-2.0-or-later
// The tools that a maintainer would use instead, each put to the same series.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "restack/rebase.h"

namespace restack::measure {

/// What one tool made of one patch.
struct Outcome {
  std::vector<bool>
      claims;  ///< for each hunk, over all files: the tool says that it is in place (or dropped)
  std::map<std::string, std::string> before,
      after;  ///< touched files of the tool's tree; absent: no such file
};

struct ToolRun {
  std::string name;
  double seconds = 0;  ///< of the tool alone
  std::vector<Outcome> patches;
};

/// Folders of one measurement; all of it below `work` can be deleted.
struct Ground {
  std::string work;
  std::string repository;  ///< git: branches "base", "series" (a commit a patch) and "target"
  std::vector<std::string>
      commits;  ///< of each patch on "series"; empty: it does not apply to the base
  const Series* series = nullptr;
};

/// Error: a tool that is not installed, a tree that cannot be written.
Result<Ground> Prepare(const std::string& folder, const Series& series, const Tree& base,
                       const Tree& target);

Result<ToolRun> Quilt(const Ground& ground, const std::string& fuzz);
Result<ToolRun> GitAm(const Ground& ground);
Result<ToolRun> GitCherryPick(const Ground& ground);
Result<ToolRun> PatchAndWiggle(const Ground& ground);
Result<ToolRun> Restack(const RebaseInput& input);

}  // namespace restack::measure
