// SPDX-License-Identifier: GPL-2.0-or-later
/// The difference of two texts and the three-way merge, by libgit2.
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

/// The changes in order; the lines between them are equal.
std::vector<Change> Diff(std::string_view a, std::string_view b);

/// For each line of `a`, the matching line of `b`, or kNowhere if it was removed or changed.
using LineMap = std::vector<size_t>;
constexpr size_t kNowhere = static_cast<size_t>(-1);
LineMap MapLines(std::string_view a, size_t a_lines, std::string_view b);

struct Merged {
  bool clean = false;
  std::string text;  ///< with conflict markers where it is not clean
};

/// Applies what `theirs` changed in `base` to `ours`.
Merged Merge(std::string_view base, std::string_view ours, std::string_view theirs,
             const std::string& ours_name = "target", const std::string& theirs_name = "patch");

/// The share (0 to 1) of the significant lines of `a` that `b` has, in any order.
double Similarity(const Text& a, const Text& b);

}  // namespace restack
