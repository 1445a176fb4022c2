// SPDX-License-Identifier: GPL-2.0-or-later
// The texts that a patch's landings make: the target's files, and those with conflict markers.
#include <algorithm>
#include <set>

#include "run.h"

namespace restack {

/// Two hunks want the same lines: the second is a person's, with all of its parts.
void SeriesRun::Overlaps(Landed& landed) {
  std::map<size_t, std::string> refused;
  for (auto& [path, parts] : landed.parts) {
    std::stable_sort(parts.begin(), parts.end(), [](const Replacement& a, const Replacement& b) {
      return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
    });
    size_t at = 0, before = 0;
    for (const Replacement& part : parts) {
      if (refused.count(part.hunk)) continue;
      if (part.begin < at)
        refused[part.hunk] =
            part.hunk == before
                ? "two of its changes would change the same lines of " + path
                : "it would change the same lines of " + path + " as the hunk before it";
      else
        at = part.end, before = part.hunk;
    }
  }
  for (const auto& [hunk, reason] : refused) TakeBack(hunk, reason, landed);
}

/// Takes back what a hunk has landed.
void SeriesRun::Drop(size_t index, Landed& landed) {
  for (auto& [path, parts] : landed.parts)
    std::erase_if(parts, [&](const Replacement& part) { return part.hunk == index; });
  std::erase_if(landed.parts, [](const auto& parts) { return parts.second.empty(); });
}

void SeriesRun::TakeBack(size_t index, const std::string& reason, Landed& landed) {
  Drop(index, landed);
  HunkVerdict& hunk = landed.verdict.hunks[index];
  hunk.grade = Grade::kConflict;
  hunk.line = 0;
  hunk.reason = reason;
  auto origin = landed.origins.find(index);
  if (origin == landed.origins.end()) return;
  Note(origin->second, landed, hunk, origin->second.hunk->edits);
}

/// All replacements so far into their files.
Result<void> SeriesRun::Write(Landed& landed) {
  PatchFiles& files = landed.files;
  Overlaps(landed);
  Review(landed);
  for (auto& [path, parts] : landed.parts) {
    std::shared_ptr<const Side> side = Open(path, landed);
    Result<std::optional<TreeFile>> file = Now(path, landed);
    if (!side || !file || !*file) return Error{path + ": cannot be read"};
    const Lines& lines = side->text.lines();
    std::string text;
    size_t at = 0;
    long shift = 0;
    std::set<size_t> placed;  // hunks whose line is final
    for (const Replacement& part : parts) {
      HunkVerdict& hunk = landed.verdict.hunks[part.hunk];
      if (hunk.target == path && hunk.line > 0 && placed.insert(part.hunk).second)
        hunk.line = static_cast<size_t>(static_cast<long>(part.begin) + 1 + shift);
      text += Join(lines, at, part.begin) + part.text;
      at = part.end;
      shift += static_cast<long>(SplitLines(part.text).size()) -
               static_cast<long>(part.end - part.begin);
    }
    text += Join(lines, at);
    files.before.emplace(path, *outcome_.landed->Read(path));
    TreeFile after = **file;
    after.text = Text(std::move(text));
    files.automatic[path] = std::move(after);
  }
  for (auto& [path, conflict] : landed.conflicts) {
    Result<std::optional<TreeFile>> there = Now(path, landed);
    std::string ours = there && *there ? (*there)->text.bytes() : "";
    // With the markers of an earlier change of the same file.
    if (auto at = files.conflicts.find(path); at != files.conflicts.end()) ours = at->second;
    auto& edits = conflict.second;
    std::sort(edits.begin(), edits.end(),
              [](const auto& a, const auto& b) { return a.first.begin < b.first.begin; });
    std::string theirs;
    size_t line = 0;
    for (const auto& [edit, added] : edits) {
      if (edit.begin < line) continue;
      theirs += Join(conflict.first.lines(), line, edit.begin) + added;
      line = edit.end;
    }
    theirs += Join(conflict.first.lines(), line);
    files.conflicts[path] =
        Merge(conflict.first.bytes(), ours, theirs, "target", landed.verdict.name).text;
    if (there && *there) {
      files.before.emplace(path, *outcome_.landed->Read(path));
      files.automatic.emplace(path, *there);
    }
  }
  landed.parts.clear();
  landed.sides.clear();
  landed.conflicts.clear();
  landed.origins.clear();
  return {};
}

/// What each hunk became, where it is not what it was.
void SeriesRun::Show(const PatchFiles& files, PatchVerdict& verdict) {
  std::map<std::string, std::vector<Hunk>> hunks;
  for (HunkVerdict& hunk : verdict.hunks) {
    if (!hunk.Landed() || hunk.grade == Grade::kExact || hunk.line == 0) continue;
    auto before = files.before.find(hunk.target), after = files.automatic.find(hunk.target);
    if (before == files.before.end() || after == files.automatic.end() || !before->second ||
        !after->second)
      continue;
    if (!hunks.count(hunk.target))
      hunks[hunk.target] = DiffHunks(before->second->text, after->second->text);
    for (const Hunk& made : hunks[hunk.target])
      if (made.new_start <= hunk.line && hunk.line <= made.new_start + made.new_count)
        hunk.after = Print(made);
  }
}

}  // namespace restack
