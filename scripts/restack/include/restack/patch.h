// SPDX-License-Identifier: GPL-2.0-or-later
/// A patch file as GNU patch 2.7 reads it: changes between text that describes them. Printing a
/// parsed patch gives the same bytes; only what the caller changed is printed anew.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "restack/result.h"
#include "restack/text.h"

namespace restack {

struct HunkLine {
  char kind = ' ';  ///< ' ' in both, '-' only before, '+' only after
  /// Content with its terminator, without one where the file has none at its end. The hunk owns
  /// the bytes.
  std::string_view text;
};

/// Line numbers are as in the header of a unified diff: from 1, or 0 when the side has no lines.
/// Copies share the bytes; a copy stays valid when the original is gone.
struct Hunk {
  size_t old_start = 0, old_count = 0, new_start = 0, new_count = 0;
  std::string section;          ///< what follows the second @@, often the function's head
  std::vector<HunkLine> lines;  ///< of every format, in the order of a unified diff
  std::string_view raw;         ///< all its bytes as read; empty if the hunk was made by restack

  std::vector<std::string_view> Old() const;  ///< context and removed lines
  std::vector<std::string_view> New() const;  ///< context and added lines
  /// Appends a line whose bytes the hunk keeps.
  void Add(char kind, std::string text);
  /// Gives line `i` another text; the hunk is then printed anew.
  void SetText(size_t i, std::string text);
  /// `raw` with its owner.
  Bytes Raw() const { return {bytes_.empty() ? nullptr : bytes_.front(), raw}; }
  /// Keeps bytes that lines or `raw` look into.
  void Keep(std::shared_ptr<const std::string> bytes) { bytes_.push_back(std::move(bytes)); }

 private:
  std::vector<std::shared_ptr<const std::string>> bytes_;
};

/// A name in a header line, as it is written there.
struct HeaderName {
  std::string name;    ///< before -p strips it; "/dev/null" names nothing
  bool epoch = false;  ///< its date is that of a file that does not exist
  bool pair = false;   ///< of a `diff --git` line: counts only when both names can be stripped
};

/// What a patch does with one file. What it is called in a tree depends on the tree: see
/// FindTarget in apply.h.
struct FileChange {
  enum class Kind { kModify, kCreate, kDelete, kRename, kCopy };
  enum class Format { kUnified, kContext, kNormal };
  Kind kind = Kind::kModify;  ///< as far as the headers say
  Format format = Format::kUnified;
  std::string before;  ///< text since the previous file: comments, Index: lines, a mail's head
  std::string header;  ///< from `diff --git` or `---` to the first hunk, as it was read
  std::string old_path, new_path;  ///< for messages: as written, "" for /dev/null
  /// All that the header lines say, in order, for the old side, the new side and `Index:`.
  std::array<std::vector<HeaderName>, 3> names;
  bool git = false;  ///< a `diff --git` line stands before it
  /// What the headers say of a side: 0 nothing, 1 that it is empty, 2 that there is no such file.
  int says_nothing_old = 0, says_nothing_new = 0;
  unsigned old_mode = 0, new_mode = 0;  ///< 0: the patch does not say
  std::string old_id, new_id;           ///< of an index line, maybe abbreviated; empty: none
  std::string binary;                   ///< a git binary patch with all its lines, kept as it is
  std::vector<Hunk> hunks;

  /// The path for messages: `strip` leading folders removed.
  std::string Path(int strip = 1) const;     ///< of what it makes (of what it deletes, for kDelete)
  std::string OldPath(int strip = 1) const;  ///< of what it reads
};

struct Patch {
  std::string name;    ///< file name, for messages
  std::string header;  ///< all before the first file: description, DEP-3 fields
  std::vector<FileChange> files;
  std::string trailer;               ///< all after the last hunk
  std::vector<std::string> ignored;  ///< one message for each part that looks like a change but is
                                     ///< not one for GNU patch
};

/// Reads unified, context and normal diffs with and without git's headers, as GNU patch 2.7 does:
/// indented, with CRLF line ends, with comments and cut blank lines. Error: a hunk that is cut off,
/// a header that cannot be read, an ed script; with the line.
/// The patch shares the bytes.
Result<Patch> ParsePatch(const Bytes& bytes, std::string name);
std::string Print(const Patch& patch);
Bytes Print(const Hunk& hunk);

/// A header's name without `strip` leading folders; "" when it has too few, as GNU patch says.
std::string StripName(const std::string& name, int strip);

}  // namespace restack
