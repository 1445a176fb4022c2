// SPDX-License-Identifier: GPL-2.0-or-later
/// A series as commits of a git repository and back, without loss.
#pragma once

#include <string>
#include <vector>

#include "restack/result.h"
#include "restack/series.h"
#include "restack/store.h"
#include "restack/tree.h"

namespace restack {

/// Creates `branch` in the repository: one commit with `base`, then one for each patch. The bytes of
/// each patch, and of the series file, are kept beside the commits as notes (refs/notes/restack).
/// Error: the branch exists and does not come from an earlier export, or a patch does not apply.
Result<void> ExportToGit(const Series& series, const Tree& base, const std::string& repository,
                         const std::string& branch, const Progress& progress);

/// A file of a series folder.
struct SeriesFileBytes {
  std::string name, bytes;
};
/// Turns the commits from the exported base to `branch` back into `series` and its patches. An
/// unchanged commit gives the same bytes; one that was edited or added is written anew, with its
/// message as the head. Error: the branch does not begin with an exported base, or has merges.
Result<std::vector<SeriesFileBytes>> ImportFromGit(const std::string& repository,
                                                   const std::string& branch);

}  // namespace restack
