// SPDX-License-Identifier: GPL-2.0-or-later
// Was a hunk put where it belongs? Judged from the texts alone, the same for every tool.
#pragma once

#include <string>
#include <vector>

#include "tools.h"

namespace restack::measure {

/// What the target has of a hunk before any tool: all of it, some of it, nothing.
enum class Share { kAll, kPart, kNone };

struct HunkFacts {
  size_t patch = 0, hunk = 0;               ///< from 0; hunks counted over all files of the patch
  std::string file;                         ///< in the base
  std::vector<std::string> added, removed;  ///< significant lines without white space
  std::string scope;                        ///< function that it changes in the base; empty: none
  Share share = Share::kNone;
};

/// `there` finds the text of the target for a path of the base ("" when it has none).
std::vector<HunkFacts> Facts(const Series& series, std::shared_ptr<const Tree> base,
                             const std::function<std::string(const std::string& path)>& there);

/// The tool refused it; it is right; it says so and it is not: doubled, lost, in another function,
/// or an #include of nothing.
enum class Judgement { kRefused, kRight, kDoubled, kLost, kElsewhere, kNoHeader };
const char* Name(Judgement judgement);

/// `header`: is that path of an #include line a header of the target or of the series?
Judgement Judge(const HunkFacts& hunk, const Outcome& outcome,
                const std::function<bool(const std::string&)>& header);

}  // namespace restack::measure
