// SPDX-License-Identifier: GPL-2.0-or-later
/// Difference and three-way merge of texts: libgit2's, as values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "restack/text.h"

namespace restack {

/// Lines [a_begin, a_end) of one text are lines [b_begin, b_end) of the other.
struct Change {
  size_t a_begin, a_end, b_begin, b_end;
};

/// In order; what lies between is equal.
std::vector<Change> Diff(std::string_view a, std::string_view b);

/// For each line of `a` the equal line of `b`, or npos: it was removed or changed.
using LineMap = std::vector<size_t>;
constexpr size_t kNowhere = static_cast<size_t>(-1);
LineMap MapLines(std::string_view a, size_t a_lines, std::string_view b);

struct Merged {
  bool clean = false;
  std::string text;  ///< with conflict markers where it is not clean
};

/// What `theirs` changed in `base`, on `ours`.
Merged Merge(std::string_view base, std::string_view ours, std::string_view theirs,
             const std::string& ours_name = "target", const std::string& theirs_name = "patch");

/// How much of `a` is in `b`, 0 to 1, by significant lines in any order.
double Similarity(const Text& a, const Text& b);

}  // namespace restack
