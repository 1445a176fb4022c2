// SPDX-License-Identifier: GPL-2.0-or-later
/// Applies a patch as GNU patch 2.7 does with fuzz 0, which is what quilt and dpkg-source use: every
/// context line must be present; only line numbers may differ.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "restack/patch.h"
#include "restack/result.h"
#include "restack/series.h"
#include "restack/tree.h"

namespace restack {

/// What a change reads and makes in a tree.
struct Target {
  FileChange::Kind kind = FileChange::Kind::kModify;
  std::string from, to;  ///< paths in the tree; the same but for renames and copies
  bool found = false;    ///< otherwise `reason` says why GNU patch finds no file
  std::string reason;
};

/// Decides which of its names a change means: the shortest of those that exist in the tree or, if
/// none exists and the change creates a file, the one that needs the fewest new folders. Error: the
/// name leads out of the tree ("..", an absolute name, a symbolic link).
Result<Target> FindTarget(const FileChange& file, int strip, const Tree& tree);

/// For each hunk, the line (counted from 0) of the old text at which its old side begins.
using Places = std::vector<size_t>;

/// Finds where GNU patch puts each hunk with fuzz 0: as near as possible to its line number,
/// corrected by the offset of the previous hunk. Error: names the hunk (counted from 1) that has no
/// place.
Result<Places> FindPlaces(const FileChange& file, const Text& before);
/// The text that the change makes, given the places of its hunks.
std::string ApplyAt(const FileChange& file, const Text& before, const Places& places);

/// The result of a change; `after` has no value if the file is deleted.
struct Effect {
  Target target;
  std::optional<TreeFile> before, after;
};
/// `before` is the tree that renames and copies read: the changes of one git patch do not see each
/// other. Error: a message that names the patch, the file and the hunk.
Result<Effect> EffectOf(const Patch& patch, const FileChange& file, int strip, const Tree& tree,
                      const Tree& before);

/// Applies the changes of a patch in order to `tree`. `each` receives the result of each; if it
/// returns false, the rest of the patch is left out. An error alone does not stop it.
void ApplyEach(const Patch& patch, int strip, MemoryTree& tree,
               const std::function<bool(const FileChange&, const Result<Effect>&)>& each);
/// Applies the whole patch. Error: the first one; the changes before it have been made.
Result<void> ApplyPatch(const Patch& patch, int strip, MemoryTree& tree);
/// The patch that undoes this one.
Patch Reversed(const Patch& patch);

}  // namespace restack
