// SPDX-License-Identifier: GPL-2.0-or-later
// Changes of a whole file: it is made, deleted, renamed, copied, or gets another mode.
#include <algorithm>

#include "run.h"

namespace restack {

using Kind = FileChange::Kind;

namespace {

std::string Quoted(const FileChange& file) {
  return file.kind == Kind::kCopy ? "a copy" : "a rename";
}

}  // namespace

Result<Moved> SeriesRun::Create(const FileChange& file, const std::string& path, Landed& landed) {
  Result<Places> places = FindPlaces(file, Text());
  if (!places) {
    Refuse(file, path, path + " is neither in a known base nor in the target", landed);
    return Moved{};
  }
  std::string bytes = ApplyAt(file, Text(), *places);
  bool link = ((file.old_mode ? file.old_mode : file.new_mode) & 0170000) == 0120000;
  if (file.says_nothing_new == 2 && !bytes.empty()) {
    Refuse(file, path, "it makes " + path + " and deletes it at once", landed);
    return Moved{};
  }
  if (bytes.empty() && (file.says_nothing_new == 2 || link)) {
    landed.verdict.notes.push_back(
        "no file " + path + " is made: " +
        (link ? "a symbolic link without a text is none" : "the same change deletes it"));
    return Moved{};
  }
  bool sets_mode = file.new_mode && file.new_mode != file.old_mode;
  if (file.hunks.empty() && !sets_mode) {
    landed.verdict.notes.push_back("no file " + path +
                                   " is made: it would be empty, and its mode "
                                   "cannot be read; GNU patch does not make it either");
    return Moved{};
  }
  TreeFile made{Text(std::move(bytes)), sets_mode ? file.new_mode : 0100644};
  made.mode = (made.mode & 0170000) == 0120000 ? 0120000 : made.mode & 0100 ? 0100755 : 0100644;
  ancestor_.Write(path, made);
  std::string to = renames_.NewFile(path);
  renames_.Made(path, to);
  landed.touched.insert(to);
  std::optional<std::string> followed = renames_.FollowHeaders(made.text.bytes());
  HunkVerdict hunk = Begin(path, 1, file.hunks.empty() ? nullptr : &file.hunks[0]);
  hunk.target = to;
  hunk.line = 1;
  hunk.grade = Grade::kExact;
  hunk.reason = "a new file";
  if (to != path)
    hunk.grade = Grade::kMoved,
    hunk.reason += "; its folder is " + std::string(DirName(to)) + "/ there";
  if (followed) {
    hunk.reason += "; its #include lines follow the headers";
    if (hunk.grade == Grade::kExact) hunk.grade = Grade::kMerged;
    made.text = Text(std::move(*followed));
  }
  Result<std::optional<TreeFile>> there = Now(to, landed);
  if (!there) return there.error();
  landed.files.before.emplace(to, *outcome_.landed->Read(to));
  landed.sides.erase(to);
  if (*there && !((*there)->text.empty() && !made.text.empty())) {
    bool same = (*there)->text.bytes() == made.text.bytes();
    hunk.grade = same ? Grade::kUpstream : Grade::kConflict;
    hunk.reason =
        same ? "the target has the same file" : "the target has a file " + to + " of its own";
    hunk.line = 0;
    landed.files.automatic[to] = *there;
    if (!same)
      landed.files.conflicts[to] = Merge("", (*there)->text.bytes(), made.text.bytes()).text;
  } else {
    landed.files.automatic[to] = made;
  }
  landed.verdict.hunks.push_back(std::move(hunk));
  return Moved{to, to};
}

Result<Moved> SeriesRun::Delete(const FileChange& file, const std::string& from,
                                const std::string& to, const Text& before, Landed& landed) {
  renames_.Gone(from);
  HunkVerdict hunk = Begin(from, 1, file.hunks.empty() ? nullptr : &file.hunks[0]);
  hunk.target = to;
  Result<std::optional<TreeFile>> there = Now(to, landed);
  if (!there) return there.error();
  landed.sides.erase(to);
  if (!*there) {
    hunk.grade = Grade::kUpstream;
    hunk.reason = "the target has no such file";
  } else if ((*there)->text.bytes() == before.bytes()) {
    hunk.grade = Grade::kExact;
    hunk.reason = "the file is as it was";
    landed.files.before.emplace(to, *outcome_.landed->Read(to));
    landed.files.automatic[to] = std::nullopt;
  } else {
    hunk.reason = "it deletes " + to + ", which the target has changed";
  }
  landed.verdict.hunks.push_back(std::move(hunk));
  return Moved{to, to};
}

/// A rename or a copy, and its hunks on what the target has of the file.
Result<Moved> SeriesRun::Move(const FileChange& file, const Target& target, const TreeFile& before,
                              const std::string& evidence, Landed& landed) {
  bool rename = file.kind == Kind::kRename;
  const std::string &from = target.from, &path = target.to;
  Places places = *FindPlaces(file, before.text);
  if (file.says_nothing_new == 2) {
    if (rename) ancestor_.Delete(from);
    ancestor_.Delete(path);
    Refuse(file, path, Quoted(file) + " of " + from + ", which the same change deletes", landed);
    return Moved{};
  }
  bool sets_mode = file.new_mode && file.new_mode != file.old_mode;
  unsigned mode = sets_mode ? file.new_mode : 0;
  if (rename && !landed.written.count(from)) ancestor_.Delete(from);
  ancestor_.Write(path, {Text(ApplyAt(file, before.text, places)), mode ? mode : before.mode});
  std::string here = renames_.File(from, before.text), to = renames_.NewFile(path);
  if (rename && !landed.written.count(from)) renames_.Gone(from);
  renames_.Made(path, to);
  bool swapped = landed.written.count(from) > 0;
  landed.written.insert(path);
  landed.touched.insert(here);
  landed.touched.insert(to);

  HunkVerdict verdict = Begin(path, 0, nullptr);
  verdict.target = to;
  // git's changes in a row read what was there before the first of them.
  Result<std::optional<TreeFile>> source =
      here.empty() ? std::optional<TreeFile>() : outcome_.landed->Read(here);
  if (!source) return source.error();
  Result<std::optional<TreeFile>> there = Now(to, landed);
  if (!there) return there.error();
  bool leaves = std::any_of(
      landed.patch.files.begin(), landed.patch.files.end(), [&](const FileChange& other) {
        return other.kind == Kind::kRename && other.OldPath(landed.strip) == path;
      });
  auto base = std::make_shared<Side>(Side{from, before.text, Outline(from, before.text)});
  auto side = [&](const Text& text) {
    return landed.sides[to] = std::make_shared<Side>(Side{to, text, Outline(to, text)});
  };
  if (here == to || (!*source && *there)) {
    verdict.grade = Grade::kUpstream;
    verdict.reason = Quoted(file) + "; the target has it under the new name";
    landed.verdict.hunks.push_back(std::move(verdict));
    LandHunks(file, places, base, Open(to, landed), path, evidence, landed);
    if (sets_mode)
      if (Result<void> done = Mode(file, path, to, before.mode, landed); !done) return done.error();
    return Moved{to, to};
  }
  std::string reason;
  if (!*source)
    reason = "the file is not in the target";
  else if (!SameType((*source)->mode, before.mode))
    reason = here + " is another type of file in the target";
  else if (*there && !leaves)
    reason = "the target has a file " + to + " of its own";
  if (!reason.empty()) {
    if (*there && *source && (*there)->text.bytes() == (*source)->text.bytes() && !rename &&
        file.hunks.empty()) {
      verdict.grade = Grade::kUpstream;
      reason = "the target has the same copy";
    }
    verdict.reason = reason;
    landed.verdict.hunks.push_back(verdict);
    if (!file.hunks.empty()) Refuse(file, path, reason, landed);
    return Moved{};
  }
  landed.files.before.emplace(here, *source);
  landed.files.before.emplace(to, *outcome_.landed->Read(to));
  TreeFile after = **source;
  if (sets_mode) after.mode = mode & 0100 ? 0100755 : 0100644;
  if (rename && !swapped) landed.files.automatic[here] = std::nullopt;
  landed.files.automatic[to] = after;
  landed.sides.erase(here);
  verdict.grade = to == path && here == from ? Grade::kExact : Grade::kMoved;
  verdict.reason = Quoted(file);
  if (verdict.grade == Grade::kMoved) verdict.reason += "; there from " + here + " to " + to;
  landed.verdict.hunks.push_back(std::move(verdict));
  LandHunks(file, places, base, side(after.text), path, evidence, landed);
  return Moved{here, to};
}

/// A mode, which no hunk shows.
Result<void> SeriesRun::Mode(const FileChange& file, const std::string& path, const std::string& to,
                             unsigned before, Landed& landed) {
  HunkVerdict hunk = Begin(path, 0, nullptr);
  hunk.target = to;
  Result<std::optional<TreeFile>> there = Now(to, landed);
  if (!there) return there.error();
  if (!*there) {
    hunk.reason = "the file is not in the target";
  } else {
    TreeFile after = **there;
    unsigned mode = file.new_mode & 0100 ? 0100755 : 0100644;
    bool sets =
        file.new_mode && file.new_mode != file.old_mode && after.mode != 0120000 && mode != before;
    if (sets) after.mode = mode;
    hunk.grade = sets && after.mode == (*there)->mode ? Grade::kUpstream : Grade::kExact;
    hunk.reason = sets ? "a mode" : "it changes nothing";
    landed.files.before.emplace(to, *outcome_.landed->Read(to));
    landed.files.automatic[to] = std::move(after);
  }
  landed.verdict.hunks.push_back(std::move(hunk));
  return {};
}

}  // namespace restack
