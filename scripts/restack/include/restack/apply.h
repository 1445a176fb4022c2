// SPDX-License-Identifier: GPL-2.0-or-later
/// Applying a patch as GNU patch 2.7 does with fuzz 0, which is what quilt and dpkg-source use:
/// every context line must be there; only line numbers may be off.
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

/// Which of its names a change means: of those that the tree has, the shortest; when it has none
/// and the change makes a file, the one that needs the fewest new folders. Error: the name leads
/// out of the tree ("..", an absolute name, a symbolic link).
Result<Target> FindTarget(const FileChange& file, int strip, const Tree& tree);

/// A hunk's place in the text before: the first line (from 0) of its old side.
using Places = std::vector<size_t>;

/// Where GNU patch puts each hunk with fuzz 0: the nearest place to where the numbers, corrected by
/// the offset of the hunk before, point. Error: names the hunk (from 1) that has none.
Result<Places> FindPlaces(const FileChange& file, const Text& before);
/// The text after, given the places.
std::string ApplyAt(const FileChange& file, const Text& before, const Places& places);

/// What a change makes of its target: no value when the file is gone. `before` is the tree that
/// renames and copies read: git's changes of one patch do not see each other. Error: a sentence that
/// names the patch, the file and the hunk.
struct Effect {
  Target target;
  std::optional<TreeFile> before, after;
};
Result<Effect> EffectOf(const Patch& patch, const FileChange& file, int strip, const Tree& tree,
                      const Tree& before);

/// Each file's change of a patch in order, onto `tree`; `each` hears what came of it, and a false
/// from it ends the patch. Errors do not end it by themselves.
void ApplyEach(const Patch& patch, int strip, MemoryTree& tree,
               const std::function<bool(const FileChange&, const Result<Effect>&)>& each);
/// The whole patch. Error: the first; the tree has the changes before it.
Result<void> ApplyPatch(const Patch& patch, int strip, MemoryTree& tree);
/// The patch that undoes it.
Patch Reversed(const Patch& patch);

}  // namespace restack
