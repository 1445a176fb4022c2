// SPDX-License-Identifier: GPL-2.0-or-later
// The patch for the target: what did not need to change stays byte for byte.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "restack/rebase.h"

namespace restack {

/// Where a file of a patch is in the target: what it reads there and what it makes; "" for none.
struct Moved {
  std::string from, to;
};

/// One file's change by its two states; no value is a file that is not there.
struct FileStates {
  std::string from, to;  ///< paths in the tree; different for a rename
  std::optional<TreeFile> before, after;
};

/// The change for -p1, with git's header lines when it needs them or `like` has them. `like`, which
/// may be null, also gives the text before it and the folders that -p1 strips.
FileChange WriteChange(const FileChange* like, const FileStates& states);
/// The same for what becomes another type of file, too: that goes and comes again.
void AddChange(const FileChange* like, const FileStates& states, std::vector<FileChange>& files);

struct PatchSource {
  const Patch& patch;           ///< as it was landed: reversed when the series says so
  const Patch& read;            ///< as its file has it
  const Bytes& original;        ///< the bytes of its file
  int strip;
};

struct PatchText {
  Bytes bytes;
  bool dropped = false;  ///< the target needs nothing of it
};

/// `moved`: of each file of the patch. `tree`: the target before the patch.
/// `upstream`: the target has all of it. What is written anew is
/// for -p1, and was applied to `tree` as quilt will. A patch whose name ends in .gz, .bz2, .xz, .lzma
/// or .lz is packed so.
Result<PatchText> WritePatch(const PatchSource& source, const std::vector<Moved>& moved,
                             const PatchFiles& files, std::shared_ptr<const Tree> tree,
                             bool upstream, const std::string& applies_to);

}  // namespace restack
