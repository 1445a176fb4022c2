// SPDX-License-Identifier: GPL-2.0-or-later
#include "restack/verdict.h"

#include <algorithm>

#include "restack/tree.h"

namespace restack {

const char* Name(Grade grade) {
  switch (grade) {
    case Grade::kExact:
      return "exact";
    case Grade::kMoved:
      return "moved";
    case Grade::kMerged:
      return "merged";
    case Grade::kReanchored:
      return "re-anchored";
    case Grade::kResolved:
      return "resolved";
    case Grade::kUpstream:
      return "upstream";
    case Grade::kPartlyUpstream:
      return "upstream in part";
    case Grade::kConflict:
      return "conflict";
  }
  return "?";
}

const char* Name(Check check) {
  switch (check) {
    case Check::kUnchecked:
      return "unchecked";
    case Check::kPassed:
      return "checked";
    case Check::kFailed:
      return "broken";
  }
  return "?";
}

std::string HunkVerdict::Key() const {
  // Without the @@ line: numbers change when nothing else does.
  std::string_view content = before;
  if (size_t line = content.find('\n'); line != std::string_view::npos)
    content.remove_prefix(line + 1);
  return file + " #" + std::to_string(number) + " " + BlobId(content).substr(0, 12);
}

size_t PatchVerdict::Count(Grade grade) const {
  return static_cast<size_t>(std::count_if(
      hunks.begin(), hunks.end(), [&](const HunkVerdict& hunk) { return hunk.grade == grade; }));
}
bool PatchVerdict::Open() const {
  return std::any_of(hunks.begin(), hunks.end(),
                     [](const HunkVerdict& hunk) { return hunk.Open(); });
}
bool PatchVerdict::Upstream() const {
  return !hunks.empty() && Count(Grade::kUpstream) == hunks.size();
}

size_t SeriesVerdict::Count(Grade grade) const {
  size_t count = 0;
  for (const PatchVerdict& patch : patches) count += patch.Count(grade);
  return count;
}
size_t SeriesVerdict::Hunks() const {
  size_t count = 0;
  for (const PatchVerdict& patch : patches) count += patch.hunks.size();
  return count;
}
size_t SeriesVerdict::Broken() const {
  size_t count = 0;
  for (const PatchVerdict& patch : patches)
    for (const HunkVerdict& hunk : patch.hunks) count += hunk.check == Check::kFailed;
  return count;
}
bool SeriesVerdict::Open() const {
  return std::any_of(patches.begin(), patches.end(),
                     [](const PatchVerdict& patch) { return patch.Open(); });
}

}  // namespace restack
