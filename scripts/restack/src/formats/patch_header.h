// SPDX-License-Identifier: GPL-2.0-or-later
// The lines above the hunks of a file: what they say, in GNU patch's way (its pch.c, intuit_diff_type).
#pragma once

#include <string>
#include <string_view>

#include "restack/patch.h"
#include "restack/text.h"

namespace restack {

/// What GNU patch takes for white space, in the C locale.
constexpr bool IsPatchSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/// A side of the header lines: see FileChange::names. Sides are numbered as GNU patch does.
enum Slot { kOldSlot = 0, kNewSlot = 1, kIndexSlot = 2 };

/// Reads header lines one by one and keeps what they say.
class PatchHeader {
 public:
  /// Takes a line without its indentation; false if it is not a header line.
  bool Take(std::string_view line);
  /// The old name of a context diff: what follows "*** ".
  void TakeOldName(std::string_view text);

  bool need_header = true;  ///< no line has named a file yet
  bool extended = false;    ///< one of git's own lines was read
  bool git = false;
  bool binary = false;      ///< the line begins a binary patch: the headers end above it
  bool strip_cr = false;    ///< the last line with a name ended in CRLF
  bool rename[2] = {}, copy[2] = {};
  int nesting = 0;          ///< "- " before each line, as RFC 934 quotes mails
  int says[2] = {};
  bool epoch[2] = {};
  unsigned mode[2] = {};
  std::string id[2];
  std::array<std::vector<HeaderName>, 3> names;

  /// A unified diff's --- and +++ lines are kept the other way round until its first hunk.
  void Swap();

 private:
  void Name(Slot slot, std::string_view text, bool dated);
  bool Extended(std::string_view line);
};

/// git's quoted form of a name ("a\tb" in double quotes); advances `text` behind it. False: it is
/// not closed or has an escape that git does not write.
bool ReadQuoted(std::string_view& text, std::string& name);

/// Whether a date, as diff writes it behind a name, is the epoch in any time zone: what diff -N
/// says of a file that is not there.
bool IsEpoch(std::string_view date);

}  // namespace restack
