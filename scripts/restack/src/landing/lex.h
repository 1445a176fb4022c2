// SPDX-License-Identifier: GPL-2.0-or-later
// Where the code of a C-like file is: not in comments and strings.
#pragma once

#include <string_view>
#include <vector>

#include "restack/text.h"

namespace restack {

/// Where a line of a C-like file begins: how many braces are open, and whether in a comment.
struct LexPlace {
  long depth = 0;
  bool comment = false;
};
/// One more than there are lines. Of an #else, the depth is that of its #if.
std::vector<LexPlace> LexPlaces(const Lines& lines);

/// The braces that a line by itself opens, less those that it closes.
long OpenBraces(std::string_view line);

/// Whether a statement leaves its block: return, goto, break, continue.
bool EndsFlow(std::string_view line);

/// The words of a line outside of comments and strings: [A-Za-z_][A-Za-z0-9_]*.
std::vector<std::string_view> CodeWords(std::string_view line);

}  // namespace restack
