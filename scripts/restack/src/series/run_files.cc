// SPDX-License-Identifier: GPL-2.0-or-later
// What becomes of one file of a patch.
#include <algorithm>

#include "landing/lander.h"
#include "restack/apply.h"
#include "run.h"

namespace restack {

using Kind = FileChange::Kind;

/// The text that the patch was made on: after the patches before it, or a blob that its index
/// line names, or of another known tree.
std::optional<TreeFile> SeriesRun::Ancestor(const FileChange& file, int strip, std::string& from,
                                            std::string& evidence) {
  std::string path = file.OldPath(strip);
  auto fits = [&](const Text& text) { return static_cast<bool>(FindPlaces(file, text)); };
  Result<std::optional<TreeFile>> here = ancestor_.Read(path);
  if (here && *here && fits((*here)->text)) return *here;
  if (input_.blob && !file.old_id.empty()) {
    if (std::optional<Text> blob = input_.blob(file.old_id); blob && fits(*blob)) {
      evidence = "its ancestor is blob " + file.old_id.substr(0, 10);
      return TreeFile{*blob, file.old_mode ? file.old_mode : 0100644};
    }
  }
  for (const auto& tree : input_.bases) {
    Result<std::optional<TreeFile>> there = tree->Read(path);
    if (there && *there && fits((*there)->text)) {
      from = tree->Name();
      evidence = "its ancestor is the file of " + from;
      return *there;
    }
  }
  return std::nullopt;
}

std::shared_ptr<const Side> SeriesRun::Open(const std::string& path, Landed& landed) {
  if (auto at = landed.sides.find(path); at != landed.sides.end()) return at->second;
  Result<std::optional<TreeFile>> file = outcome_.landed->Read(path);
  std::shared_ptr<const Side> side;
  if (file && *file)
    side = std::make_shared<Side>(Side{path, (*file)->text, Outline(path, (*file)->text)});
  return landed.sides[path] = side;
}

HunkVerdict SeriesRun::Begin(const FileChange& file, int strip, size_t number,
                             const Hunk* hunk) const {
  HunkVerdict verdict;
  verdict.number = number;
  verdict.file = file.Path(strip);
  if (hunk) verdict.before = Print(*hunk);
  return verdict;
}

Result<std::string> SeriesRun::LandFile(const Patch& patch, const FileChange& file, int strip,
                                        Landed& landed, PatchFiles& files, PatchVerdict& verdict) {
  std::string from = file.OldPath(strip);
  if (!file.binary.empty()) {
    HunkVerdict hunk = Begin(file, strip, 1, nullptr);
    hunk.reason = "a binary change; it has to be made anew";
    verdict.hunks.push_back(std::move(hunk));
    return std::string();
  }
  if (file.kind == Kind::kCreate) return Create(file, strip, files, verdict);
  std::string ancestor, evidence;
  std::optional<TreeFile> before = Ancestor(file, strip, ancestor, evidence);
  if (!before) return Result<std::string>(NoAncestor(file, strip, landed, verdict));
  Result<Places> places = FindPlaces(file, before->text);
  std::string to = renames_.File(from, before->text);
  Text made(ApplyAt(file, before->text, *places));
  if (file.kind == Kind::kDelete) {
    ancestor_.Delete(from);
    return Delete(file, strip, to, before->text, files, verdict);
  }
  if (file.kind == Kind::kRename) ancestor_.Delete(from);
  ancestor_.Write(file.Path(strip), {made, file.new_mode ? file.new_mode : before->mode});

  auto base = std::make_shared<Side>(Side{from, before->text, Outline(from, before->text)});
  std::shared_ptr<const Side> target = to.empty() ? nullptr : Open(to, landed);
  size_t first = landed.hunks.size();
  std::vector<bool> follows(file.hunks.size());
  std::vector<Edit> edits;
  for (size_t i = 0; i < file.hunks.size(); ++i) {
    Hunk hunk = file.hunks[i];
    for (HunkLine& line : hunk.lines) {
      if (line.kind != '+' || !StartsWith(line.text, "#include \"")) continue;
      std::string renamed = renames_.FollowHeaders(line.text);
      follows[i] = follows[i] || renamed != line.text;
      line.text = renamed;
    }
    const PlacedHunk& placed = landed.hunks.emplace_back(std::move(hunk), (*places)[i]);
    edits.insert(edits.end(), placed.edits.begin(), placed.edits.end());
  }
  Lander lander(
      base, target, std::move(edits), [&](const std::string& path) { return Open(path, landed); },
      [&](const std::string& function, const std::string& path) {
        return renames_.Function(function, path);
      },
      [&](const std::string& function, const std::string& path) {
        return renames_.Gained(function, path);
      });
  if (file.hunks.empty() || file.kind == Kind::kRename)
    Metadata(file, strip, to, *before, files, verdict);
  for (size_t i = 0; i < file.hunks.size(); ++i) {
    const PlacedHunk& placed = landed.hunks[first + i];
    Landing landing = lander.Land(placed);
    if (std::string gone = GoneHeader(landing); !gone.empty()) {
      landing.grade = Grade::kConflict;
      landing.parts.clear();
      landing.failed = placed.edits;
      landing.reason = "it includes " + gone + ", which the base has and the target no longer has";
    }
    if (follows[i] && landing.grade == Grade::kExact) landing.grade = Grade::kMerged;
    if (follows[i]) landing.reason += "; its #include lines follow the headers";
    HunkVerdict result = Begin(file, strip, i + 1, &file.hunks[i]);
    result.grade = landing.grade;
    result.scope = landing.scope;
    result.target = landing.path;
    result.reason = landing.reason + (evidence.empty() ? "" : "; " + evidence);
    if (landing.path != from && landing.grade != Grade::kConflict &&
        landing.grade != Grade::kUpstream) {
      if (landing.grade == Grade::kExact) result.grade = Grade::kMoved;
      result.reason = "the file is " + landing.path + " there; " + result.reason;
    }
    const Origin& origin = landed.origins[verdict.hunks.size()] = {&placed, base, patch.name, made};
    if (landing.grade == Grade::kConflict) Note(origin, landed, result, landing.failed);
    if (!landing.parts.empty()) result.line = landing.parts.front().begin + 1;
    for (Replacement& part : landing.parts) {
      part.hunk = verdict.hunks.size();
      landed.parts[part.path].push_back(std::move(part));
    }
    verdict.hunks.push_back(std::move(result));
  }
  return to;
}

/// A header that the landed lines include and that is gone; "" when there is none.
std::string SeriesRun::GoneHeader(const Landing& landing) const {
  for (const Replacement& part : landing.parts)
    for (std::string_view line : SplitLines(part.text))
      if (std::string gone = renames_.GoneHeader(line, part.path); !gone.empty()) return gone;
  return {};
}

/// A conflict: what it needs from another one, and what a person will see of it.
void SeriesRun::Note(const Origin& origin, Landed& landed, HunkVerdict& verdict,
                     const std::vector<Edit>& failed) {
  for (const HunkLine& line : origin.hunk->hunk.lines) {
    if (line.kind == '+' || !IsSignificant(line.text)) continue;
    auto lacking = missing_.find(std::string(Trim(line.text)));
    if (lacking == missing_.end()) continue;
    for (const Missing& missing : lacking->second) {
      if (missing.patch == origin.patch) continue;
      verdict.reason += "; it needs hunk " + std::to_string(missing.hunk) + " of " + missing.patch +
                        ", which is not in place";
      goto found;
    }
  }
found:
  for (const HunkLine& line : origin.hunk->hunk.lines)
    if (line.kind == '+' && IsSignificant(line.text))
      missing_[std::string(Trim(line.text))].push_back({origin.patch, verdict.number});
  auto& conflict = landed.conflicts[verdict.target.empty() ? origin.base->path : verdict.target];
  conflict.first = origin.base->text;
  for (const Edit& edit : failed) {
    std::erase_if(conflict.second, [&](const auto& other) {
      return other.first.begin == edit.begin && other.first.end == edit.end;
    });
    conflict.second.push_back({edit, Join(edit.added)});
  }
}

std::string SeriesRun::NoAncestor(const FileChange& file, int strip, Landed& landed,
                                  PatchVerdict& verdict) {
  // Without the text that it was made on, only an exact place in the target is one.
  std::string path = file.OldPath(strip);
  std::shared_ptr<const Side> target = Open(path, landed);
  Result<Places> places = target ? FindPlaces(file, target->text) : Error{};
  for (size_t i = 0; i < file.hunks.size(); ++i) {
    HunkVerdict hunk = Begin(file, strip, i + 1, &file.hunks[i]);
    hunk.target = target ? path : "";
    if (places) {
      hunk.grade = Grade::kExact;
      hunk.reason =
          "every line of its context is there; no known tree is the one that it was made for";
      PlacedHunk placed(file.hunks[i], (*places)[i]);
      hunk.line = placed.edits.empty() ? 0 : placed.edits.front().begin + 1;
      for (const Edit& edit : placed.edits)
        landed.parts[path].push_back(
            {path, edit.begin, edit.end, Join(edit.added), verdict.hunks.size()});
    } else {
      hunk.reason =
          target ? "no known tree is the one that it was made for, and it does not apply to " + path
                 : path + " is neither in a known base nor in the target";
    }
    verdict.hunks.push_back(std::move(hunk));
  }
  return target ? path : "";
}

Result<std::string> SeriesRun::Create(const FileChange& file, int strip, PatchFiles& files,
                                      PatchVerdict& verdict) {
  std::string path = file.Path(strip), to = renames_.NewFile(path);
  std::string content;
  for (const Hunk& hunk : file.hunks)
    for (std::string_view line : hunk.New()) content += line;
  TreeFile made{Text(content), file.new_mode ? file.new_mode : 0100644};
  ancestor_.Write(path, made);
  std::string followed = renames_.FollowHeaders(content);
  HunkVerdict hunk = Begin(file, strip, 1, file.hunks.empty() ? nullptr : &file.hunks[0]);
  hunk.target = to;
  hunk.line = 1;
  hunk.grade = Grade::kExact;
  hunk.reason = "a new file";
  if (to != path)
    hunk.grade = Grade::kMoved,
    hunk.reason += "; its folder is " + std::string(DirName(to)) + "/ there";
  if (followed != content) {
    hunk.reason += "; its #include lines follow the headers";
    if (hunk.grade == Grade::kExact) hunk.grade = Grade::kMerged;
    made.text = Text(followed);
  }
  Result<std::optional<TreeFile>> there = outcome_.landed->Read(to);
  if (!there) return there.error();
  files.before[to] = *there;
  if (*there) {
    bool same = (*there)->text.bytes() == made.text.bytes();
    hunk.grade = same ? Grade::kUpstream : Grade::kConflict;
    hunk.reason =
        same ? "the target has the same file" : "the target has a file " + to + " of its own";
    hunk.line = 0;
    files.automatic[to] = *there;
    if (!same) files.conflicts[to] = Merge("", (*there)->text.bytes(), made.text.bytes()).text;
  } else {
    files.automatic[to] = made;
  }
  verdict.hunks.push_back(std::move(hunk));
  return to;
}

Result<std::string> SeriesRun::Delete(const FileChange& file, int strip, const std::string& to,
                                      const Text& before, PatchFiles& files,
                                      PatchVerdict& verdict) {
  HunkVerdict hunk = Begin(file, strip, 1, file.hunks.empty() ? nullptr : &file.hunks[0]);
  hunk.target = to;
  Result<std::optional<TreeFile>> there =
      to.empty() ? std::optional<TreeFile>() : outcome_.landed->Read(to);
  if (!there) return there.error();
  if (!*there) {
    hunk.grade = Grade::kUpstream;
    hunk.reason = "the target has no such file";
  } else if ((*there)->text.bytes() == before.bytes()) {
    hunk.grade = Grade::kExact;
    hunk.reason = "the file is as it was";
    files.before[to] = *there;
    files.automatic[to] = std::nullopt;
  } else {
    hunk.reason = "it deletes " + to + ", which the target has changed";
  }
  verdict.hunks.push_back(std::move(hunk));
  return to;
}

/// Modes and renames, which no hunk shows.
void SeriesRun::Metadata(const FileChange& file, int strip, const std::string& to,
                         const TreeFile& before, PatchFiles& files, PatchVerdict& verdict) {
  HunkVerdict hunk = Begin(file, strip, 0, nullptr);
  hunk.target = to;
  Result<std::optional<TreeFile>> there =
      to.empty() ? std::optional<TreeFile>() : outcome_.landed->Read(to);
  if (!there || !*there) {
    hunk.reason = "the file is not in the target";
  } else {
    TreeFile after = **there;
    if (file.new_mode) after.mode = file.new_mode;
    std::string path = file.kind == Kind::kRename ? renames_.NewFile(file.Path(strip)) : to;
    files.before[to] = *there;
    if (path != to) files.automatic[to] = std::nullopt;
    files.automatic[path] = after;
    bool same = path == to && after.mode == (*there)->mode;
    hunk.grade = same ? Grade::kUpstream : Grade::kExact;
    hunk.reason = file.kind == Kind::kRename ? "a rename" : "a mode";
    if (file.kind == Kind::kRename && before.text.bytes() != (*there)->text.bytes() &&
        !file.hunks.empty()) {
      hunk.grade = Grade::kConflict;
      hunk.reason = "it renames and changes a file that the target has changed";
    }
  }
  verdict.hunks.push_back(std::move(hunk));
}

}  // namespace restack
