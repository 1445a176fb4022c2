// SPDX-License-Identifier: GPL-2.0-or-later
// Where GNU patch puts the hunks of a file, and the text that they make.
#include <algorithm>

#include "restack/apply.h"

namespace restack {
namespace {

/// One hunk as GNU patch's locate_hunk sees it. Lines are counted from 1.
struct Pattern {
  std::vector<std::string_view> old;
  long first = 0;               ///< where its numbers point
  long prefix = 0, suffix = 0;  ///< context lines before and behind its changes
  long changed = 0;             ///< old lines up to the last change

  explicit Pattern(const Hunk& hunk) : old(hunk.Old()) {
    first = static_cast<long>(hunk.old_start) + (hunk.old_count == 0);
    bool any = false;
    long at = 0;
    for (const HunkLine& line : hunk.lines) {
      if (line.kind == ' ') {
        ++at;
        ++suffix;
        continue;
      }
      if (!any) prefix = suffix;
      any = true;
      suffix = 0;
      at += line.kind == '-';
      changed = at;
    }
  }

  bool At(const Lines& lines, long where) const {
    return where >= 1 && static_cast<size_t>(where - 1) + old.size() <= lines.size() &&
           std::equal(old.begin(), old.end(), lines.begin() + (where - 1));
  }

  /// 0: nowhere. `frozen` lines are written already.
  long Locate(const Lines& lines, long offset, long frozen) const {
    long guess = first + offset, size = static_cast<long>(old.size()),
         count = static_cast<long>(lines.size());
    if (size == 0) return guess > frozen ? guess : 0;
    // Less context at one end than at the other means that this end is the file's own.
    bool at_start = prefix < suffix && first <= 1, at_end = suffix < prefix;
    long last = count - size + 1;
    if (at_start) return frozen <= prefix && At(lines, 1) ? 1 : 0;
    if (at_end) return last > frozen && At(lines, last) ? last : 0;
    for (long step = 0; guess + step <= last || guess - step > frozen; ++step) {
      if (guess + step > frozen && At(lines, guess + step)) return guess + step;
      if (guess - step > frozen && At(lines, guess - step)) return guess - step;
      if (step > count + std::abs(guess)) break;
    }
    return 0;
  }
};

}  // namespace

Result<Places> FindPlaces(const FileChange& file, const Text& before) {
  Places places;
  long offset = 0, frozen = 0;
  for (const Hunk& hunk : file.hunks) {
    Pattern pattern(hunk);
    long where = pattern.Locate(before.lines(), offset, frozen);
    // What makes a file does not apply to one that has something.
    if (where == 1 && file.says_nothing_old == 2 && !before.empty()) where = 0;
    if (where == 0)
      return Error{"hunk " + std::to_string(places.size() + 1) + " (line " +
                   std::to_string(hunk.old_start) + ") is not there"};
    offset = where - pattern.first;
    frozen = where - 1 + pattern.changed;
    places.push_back(static_cast<size_t>(where - 1));
  }
  return places;
}

std::string ApplyAt(const FileChange& file, const Text& before, const Places& places) {
  size_t size = before.bytes().size();
  for (const Hunk& hunk : file.hunks)
    for (const HunkLine& line : hunk.lines)
      if (line.kind == '+') size += line.text.size() + 1;
  std::string after;
  after.reserve(size);
  const Lines& lines = before.lines();
  size_t done = 0;
  auto copy_to = [&](size_t line) {
    for (; done < std::min(line, lines.size()); ++done) {
      if (!after.empty() && after.back() != '\n') after += '\n';
      after += lines[done];
    }
  };
  for (size_t i = 0; i < places.size(); ++i) {
    size_t at = places[i];
    for (const HunkLine& line : file.hunks[i].lines) {
      if (line.kind == ' ') {
        ++at;
        continue;
      }
      copy_to(at);
      if (line.kind == '-') {
        ++at;
        ++done;
        continue;
      }
      if (!after.empty() && after.back() != '\n') after += '\n';
      after += line.text;
    }
  }
  copy_to(lines.size());
  return after;
}

}  // namespace restack
