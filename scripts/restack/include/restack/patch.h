// SPDX-License-Identifier: GPL-2.0-or-later
/// A patch file: unified diffs, git's included, between text that says why. Printing what was
/// parsed gives the same bytes; only what a caller changed is printed anew.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "restack/result.h"

namespace restack {

struct HunkLine {
  char kind = ' ';  ///< ' ' in both, '-' only before, '+' only after
  std::string
      text;         ///< content with its terminator, without one where the file has none at its end
  std::string raw;  ///< as it was read, with a following "\ No newline" line; empty: made by us
};

/// Line numbers are as in the header: from 1, or 0 when the side has no lines.
struct Hunk {
  size_t old_start = 0, old_count = 0, new_start = 0, new_count = 0;
  std::string section;  ///< what follows the second @@, often the function's head
  std::vector<HunkLine> lines;
  std::string header;  ///< the @@ line as it was read; empty: made from the numbers

  std::vector<std::string_view> Old() const;  ///< context and removed lines
  std::vector<std::string_view> New() const;  ///< context and added lines
};

/// What a patch does with one file. Paths are as written, before -p strips them; "" is /dev/null.
struct FileChange {
  enum class Kind { kModify, kCreate, kDelete, kRename, kCopy };
  Kind kind = Kind::kModify;
  std::string before;  ///< text since the previous file: comments, Index: lines, a mail's head
  std::string header;  ///< from `diff --git` or `---` to the first hunk, as it was read
  std::string old_path, new_path;
  unsigned old_mode = 0, new_mode = 0;  ///< 0: the patch does not say
  std::string old_id, new_id;           ///< of an index line, maybe abbreviated; empty: none
  std::string binary;                   ///< a binary hunk with all its lines, kept as it is
  std::vector<Hunk> hunks;

  /// The path in the tree: `strip` leading folders removed.
  std::string Path(int strip = 1) const;     ///< of what it makes (of what it deletes, for kDelete)
  std::string OldPath(int strip = 1) const;  ///< of what it reads
};

struct Patch {
  std::string name;    ///< file name, for messages
  std::string header;  ///< all before the first file: description, DEP-3 fields
  std::vector<FileChange> files;
  std::string trailer;  ///< all after the last hunk
};

/// Error: a hunk that is cut off or has a header that cannot be read, with the line.
Result<Patch> ParsePatch(std::string_view bytes, std::string name);
std::string Print(const Patch& patch);
std::string Print(const Hunk& hunk);

}  // namespace restack
