// SPDX-License-Identifier: GPL-2.0-or-later
// What a patch leaves for a person: conflicts, and changes of unknown files.
#include <algorithm>

#include "run.h"

namespace restack {

using Kind = FileChange::Kind;

/// A conflict: what it needs from another one, and what a person will see of it.
void SeriesRun::Note(const Origin& origin, Landed& landed, HunkVerdict& verdict,
                     const std::vector<Edit>& failed) {
  const std::string& patch = landed.patch.name;
  for (const HunkLine& line : origin.hunk->hunk.lines) {
    if (line.kind == '+' || !IsSignificant(line.text)) continue;
    auto lacking = missing_.find(std::string(Trim(line.text)));
    if (lacking == missing_.end()) continue;
    for (const Missing& missing : lacking->second) {
      if (missing.patch == patch) continue;
      verdict.reason += "; it needs hunk " + std::to_string(missing.hunk) + " of " + missing.patch +
                        ", which is not in place";
      goto found;
    }
  }
found:
  for (const HunkLine& line : origin.hunk->hunk.lines)
    if (line.kind == '+' && IsSignificant(line.text))
      missing_[std::string(Trim(line.text))].push_back({patch, verdict.number});
  auto& conflict = landed.conflicts[verdict.target.empty() ? origin.base->path : verdict.target];
  conflict.first = origin.base->text;
  for (const Edit& edit : failed) {
    std::erase_if(conflict.second, [&](const auto& other) {
      return other.first.begin == edit.begin && other.first.end == edit.end;
    });
    conflict.second.push_back({edit, Join(edit.added)});
  }
}

/// All of a file's change is for a person, for one reason.
void SeriesRun::Refuse(const FileChange& file, const std::string& path, const std::string& reason,
                       Landed& landed) {
  for (size_t i = 0; i < std::max<size_t>(1, file.hunks.size()); ++i) {
    HunkVerdict hunk =
        Begin(path, file.hunks.empty() ? 0 : i + 1, file.hunks.empty() ? nullptr : &file.hunks[i]);
    hunk.reason = reason;
    landed.verdict.hunks.push_back(std::move(hunk));
  }
}

Result<Moved> SeriesRun::NoAncestor(const FileChange& file, const Target& target, Landed& landed) {
  // Without the text that it was made on, only an exact place in the target is one.
  Result<Target> there = FindTarget(file, landed.strip, *outcome_.landed);
  std::string path = there && there->found ? there->from : target.from;
  std::shared_ptr<const Side> side =
      Moves(file) || !there || !there->found ? nullptr : Open(path, landed);
  Result<Places> places =
      side && !file.hunks.empty() && Fits(file, side->text) && file.says_nothing_new != 2
          ? FindPlaces(file, side->text)
          : Error{};
  if (!places) {
    constexpr std::string_view kMissing = " is not in the tree";
    std::string reason = "no known tree is the one that it was made for";
    if (side)
      reason += ", and it does not apply to " + path;
    else if (target.reason.ends_with(kMissing))
      reason = target.reason.substr(0, target.reason.size() - kMissing.size()) +
               " is neither in a known base nor in the target";
    else if (!target.found)
      reason = target.reason;
    Refuse(file, target.found ? target.to : file.Path(landed.strip), reason, landed);
    return Moved{};
  }
  for (size_t i = 0; i < file.hunks.size(); ++i) {
    HunkVerdict hunk = Begin(path, i + 1, &file.hunks[i]);
    hunk.target = path;
    hunk.grade = Grade::kExact;
    hunk.reason =
        "every line of its context is there; no known tree is the one that it was made for";
    PlacedHunk placed(file.hunks[i], (*places)[i]);
    hunk.line = placed.edits.empty() ? 0 : placed.edits.front().begin + 1;
    for (const Edit& edit : placed.edits)
      landed.parts[path].push_back(
          {path, edit.begin, edit.end, Join(edit.added), landed.verdict.hunks.size()});
    landed.verdict.hunks.push_back(std::move(hunk));
  }
  return Moved{path, path};
}

}  // namespace restack
