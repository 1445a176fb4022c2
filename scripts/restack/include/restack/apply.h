// SPDX-License-Identifier: GPL-2.0-or-later
/// Applying a patch as `patch --fuzz=0` does: every context line must be there; only line numbers
/// may be off.
#pragma once

#include <string>
#include <vector>

#include "restack/patch.h"
#include "restack/result.h"
#include "restack/series.h"
#include "restack/tree.h"

namespace restack {

/// A hunk's place in the text before: the first line (from 0) of its old side.
using Places = std::vector<size_t>;

/// Where GNU patch puts each hunk with fuzz 0: the nearest place to where the numbers, corrected by
/// the offset of the hunk before, point. Error: names the hunk (from 1) that has none.
Result<Places> FindPlaces(const FileChange& file, const Text& before);
/// The hunk nearest to `expected`, from line `from` on; npos when it is nowhere.
size_t FindHunk(const std::vector<std::string_view>& old, const Hunk& hunk, const Lines& lines,
                size_t expected, size_t from);
/// The text after, given the places.
std::string ApplyAt(const FileChange& file, const Text& before, const Places& places);

/// One file of a patch onto a tree. Error: the sentence names patch, file and hunk.
Result<void> ApplyFile(const Patch& patch, const FileChange& file, int strip, MemoryTree& tree);
Result<void> ApplyPatch(const Patch& patch, int strip, MemoryTree& tree);
/// The patch that undoes it.
Patch Reversed(const Patch& patch);

}  // namespace restack
