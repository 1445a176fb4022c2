// SPDX-License-Identifier: GPL-2.0-or-later
// What becomes of one file of a patch.
#include <algorithm>

#include "landing/lander.h"
#include "restack/apply.h"
#include "run.h"

namespace restack {

using Kind = FileChange::Kind;

namespace {

bool Moves(const FileChange& file) { return file.kind == Kind::kRename || file.kind == Kind::kCopy; }

/// Of a mode, 0 being that of a regular file.
bool SameType(unsigned a, unsigned b) {
  return ((a & 0170000) == 0120000) == ((b & 0170000) == 0120000);
}

/// Whether the file's change applies to this text, and empties it when it is to be deleted.
bool Fits(const FileChange& file, const Text& text) {
  Result<Places> places = FindPlaces(file, text);
  if (!places) return false;
  return file.says_nothing_new != 2 || ApplyAt(file, text, *places).empty();
}

std::string Quoted(const FileChange& file) {
  return file.kind == Kind::kCopy ? "a copy" : "a rename";
}

}  // namespace

Result<std::optional<TreeFile>> SeriesRun::Now(const std::string& path,
                                               const Landed& landed) const {
  if (path.empty()) return std::optional<TreeFile>();
  auto at = landed.files.automatic.find(path);
  if (at != landed.files.automatic.end()) return at->second;
  return outcome_.landed->Read(path);
}

/// The text that the patch was made on: after the patches before it, or a blob that its index
/// line names, or of another known tree.
std::optional<TreeFile> SeriesRun::Ancestor(const FileChange& file, int strip, Target& target,
                                            std::string& evidence) {
  if (target.found) {
    Result<std::optional<TreeFile>> here = ancestor_.Read(target.from);
    if (here && *here && Fits(file, (*here)->text)) return *here;
  }
  if (input_.blob && !file.old_id.empty()) {
    if (std::optional<Text> blob = input_.blob(file.old_id); blob && Fits(file, *blob)) {
      evidence = "its ancestor is blob " + file.old_id.substr(0, 10);
      return TreeFile{*blob, file.old_mode ? file.old_mode : 0100644};
    }
  }
  for (const auto& tree : input_.bases) {
    Result<Target> other = FindTarget(file, strip, *tree);
    if (!other || !other->found || other->kind == Kind::kCreate) continue;
    Result<std::optional<TreeFile>> there = tree->Read(other->from);
    if (there && *there && Fits(file, (*there)->text)) {
      evidence = "its ancestor is the file of " + tree->Name();
      target = *other;
      return *there;
    }
  }
  return std::nullopt;
}

std::shared_ptr<const Side> SeriesRun::Open(const std::string& path, Landed& landed) {
  if (auto at = landed.sides.find(path); at != landed.sides.end()) return at->second;
  Result<std::optional<TreeFile>> file = Now(path, landed);
  std::shared_ptr<const Side> side;
  if (file && *file)
    side = std::make_shared<Side>(Side{path, (*file)->text, Outline(path, (*file)->text)});
  return landed.sides[path] = side;
}

HunkVerdict SeriesRun::Begin(const std::string& path, size_t number, const Hunk* hunk) const {
  HunkVerdict verdict;
  verdict.number = number;
  verdict.file = path;
  if (hunk) verdict.before = Print(*hunk);
  return verdict;
}

Result<Moved> SeriesRun::LandFile(const FileChange& file, Landed& landed) {
  if (file.git != landed.in_git || !file.git) {
    landed.in_git = file.git;
    landed.written.clear();
    if (std::any_of(landed.patch.files.begin(), landed.patch.files.end(), Moves))
      landed.start.emplace(ancestor_);
  }
  const Tree& reads = Moves(file) ? *landed.start : ancestor_;
  Result<Target> found = FindTarget(file, landed.strip, reads);
  if (!found) return Error{landed.patch.name + ": " + found.error().sentence};
  Target target = std::move(*found);
  // A second change of a file sees what the first has made of it.
  bool again = false;
  for (const std::string& path : std::set<std::string>{target.from, target.to})
    again = !landed.touched.insert(path).second || again;
  if (again)
    if (Result<void> done = Write(landed); !done) return done.error();
  if (!file.binary.empty()) {
    HunkVerdict hunk = Begin(target.to, 1, nullptr);
    hunk.reason = "a binary change; it has to be made anew";
    landed.verdict.hunks.push_back(std::move(hunk));
    return Moved{};
  }
  Result<std::optional<TreeFile>> there = reads.Read(target.from);
  if (!there) return there.error();
  bool retyped = file.old_mode && file.new_mode && !SameType(file.old_mode, file.new_mode);
  if (retyped || (*there && !SameType((*there)->mode, file.old_mode ? file.old_mode : file.new_mode))) {
    Refuse(file, target.to,
           target.to + (retyped ? " would become" : " is") + " another type of file", landed);
    return Moved{};
  }
  if (!Moves(file)) {
    bool makes = file.says_nothing_old == 2 && *there && (*there)->text.size() > 0;
    if ((target.found && target.kind == Kind::kCreate) || makes)
      return Create(file, target.to, landed);
  }
  std::string evidence;
  std::optional<TreeFile> before =
      Moves(file) && target.found && target.from != target.to
          ? *there
          : Ancestor(file, landed.strip, target, evidence);
  if (before && !Fits(file, before->text)) before = Ancestor(file, landed.strip, target, evidence);
  if (!before) return NoAncestor(file, target, landed);
  if (Moves(file) && target.from != target.to) return Move(file, target, *before, evidence, landed);
  const std::string& from = target.from;
  Places places = *FindPlaces(file, before->text);
  std::string to = renames_.File(from, before->text);
  landed.touched.insert(to);
  if (file.says_nothing_new == 2) {
    ancestor_.Delete(from);
    return Delete(file, from, to, before->text, landed);
  }
  bool sets_mode = file.new_mode && file.new_mode != file.old_mode;
  TreeFile after{Text(ApplyAt(file, before->text, places)), before->mode};
  bool gone = after.mode == 0120000 && after.text.size() == 0;
  if (gone)
    ancestor_.Delete(from);
  else
    ancestor_.Write(from, {after.text, sets_mode ? file.new_mode : before->mode});
  if (gone) return Delete(file, from, to, before->text, landed);
  auto base = std::make_shared<Side>(Side{from, before->text, Outline(from, before->text)});
  LandHunks(file, places, base, to.empty() ? nullptr : Open(to, landed), from, evidence, landed);
  if (sets_mode || file.hunks.empty())
    if (Result<void> done = Mode(file, from, to, before->mode, landed); !done) return done.error();
  return Moved{to, to};
}

/// `expected` is the path that the file has when nothing has moved.
void SeriesRun::LandHunks(const FileChange& file, const Places& places,
                          const std::shared_ptr<const Side>& base,
                          const std::shared_ptr<const Side>& target, const std::string& expected,
                          const std::string& evidence, Landed& landed) {
  if (file.hunks.empty()) return;
  Text after(ApplyAt(file, base->text, places));
  size_t first = landed.hunks.size();
  std::vector<bool> follows(file.hunks.size());
  std::vector<Edit> edits;
  for (size_t i = 0; i < file.hunks.size(); ++i) {
    Hunk hunk = file.hunks[i];
    for (size_t line = 0; line < hunk.lines.size(); ++line) {
      std::string_view text = hunk.lines[line].text;
      if (hunk.lines[line].kind != '+' || !StartsWith(text, "#include \"")) continue;
      std::string renamed = renames_.FollowHeaders(std::string(text));
      if (renamed == text) continue;
      follows[i] = true;
      hunk.SetText(line, std::move(renamed));
    }
    const PlacedHunk& placed = landed.hunks.emplace_back(std::move(hunk), places[i]);
    edits.insert(edits.end(), placed.edits.begin(), placed.edits.end());
  }
  // On the text that the patch was made on there is nothing to look for.
  bool same =
      target && target->path == expected && target->text.bytes() == base->text.bytes();
  std::optional<Lander> lander;
  if (!same)
    lander.emplace(
        base, target, std::move(edits),
        [&](const std::string& path) { return Open(path, landed); },
        [&](const std::string& function, const std::string& path) {
          return renames_.Function(function, path);
        },
        [&](const std::string& function, const std::string& path) {
          return renames_.Gained(function, path);
        });
  for (size_t i = 0; i < file.hunks.size(); ++i) {
    const PlacedHunk& placed = landed.hunks[first + i];
    Landing landing;
    if (same) {
      landing.grade = Grade::kExact;
      landing.path = target->path;
      landing.reason = "the file is as it was";
      if (const Scope* scope = ScopeAt(target->scopes, placed.edits.front().begin))
        landing.scope = scope->Title();
      for (const Edit& edit : placed.edits)
        landing.parts.push_back({target->path, edit.begin, edit.end, Join(edit.added)});
    } else {
      landing = lander->Land(placed);
    }
    if (std::string gone = GoneHeader(landing); !gone.empty()) {
      landing.grade = Grade::kConflict;
      landing.parts.clear();
      landing.failed = placed.edits;
      landing.reason = "it includes " + gone + ", which the base has and the target no longer has";
    }
    if (follows[i]) {
      if (landing.grade == Grade::kExact) landing.grade = Grade::kMerged;
      landing.reason += "; its #include lines follow the headers";
    }
    HunkVerdict result = Begin(expected, i + 1, &file.hunks[i]);
    result.grade = landing.grade;
    result.scope = landing.scope;
    result.target = landing.path;
    result.reason = landing.reason + (evidence.empty() ? "" : "; " + evidence);
    if (landing.path != expected && landing.grade != Grade::kConflict &&
        landing.grade != Grade::kUpstream) {
      if (landing.grade == Grade::kExact) result.grade = Grade::kMoved;
      result.reason = "the file is " + landing.path + " there; " + result.reason;
    }
    const Origin& origin = landed.origins[landed.verdict.hunks.size()] = {&placed, base, after};
    if (landing.grade == Grade::kConflict) Note(origin, landed, result, landing.failed);
    if (!landing.parts.empty()) result.line = landing.parts.front().begin + 1;
    for (Replacement& part : landing.parts) {
      part.hunk = landed.verdict.hunks.size();
      landed.parts[part.path].push_back(std::move(part));
    }
    landed.verdict.hunks.push_back(std::move(result));
  }
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

Result<Moved> SeriesRun::NoAncestor(const FileChange& file, const Target& target,
                                    Landed& landed) {
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

Result<Moved> SeriesRun::Create(const FileChange& file, const std::string& path, Landed& landed) {
  Result<Places> places = FindPlaces(file, Text());
  if (!places) {
    Refuse(file, path, path + " is neither in a known base nor in the target", landed);
    return Moved{};
  }
  bool sets_mode = file.new_mode && file.new_mode != file.old_mode;
  TreeFile made{Text(ApplyAt(file, Text(), *places)), sets_mode ? file.new_mode : 0100644};
  made.mode = (made.mode & 0170000) == 0120000 ? 0120000
              : made.mode & 0100               ? 0100755
                                               : 0100644;
  ancestor_.Write(path, made);
  std::string to = renames_.NewFile(path);
  renames_.Made(path, to);
  landed.touched.insert(to);
  std::string content = made.text.bytes(), followed = renames_.FollowHeaders(content);
  HunkVerdict hunk = Begin(path, 1, file.hunks.empty() ? nullptr : &file.hunks[0]);
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
  Result<std::optional<TreeFile>> there = Now(to, landed);
  if (!there) return there.error();
  landed.files.before.emplace(to, *outcome_.landed->Read(to));
  landed.sides.erase(to);
  if (*there && !((*there)->text.size() == 0 && made.text.size() > 0)) {
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
  Result<std::optional<TreeFile>> source = here.empty() ? std::optional<TreeFile>() : outcome_.landed->Read(here);
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
Result<void> SeriesRun::Mode(const FileChange& file, const std::string& path,
                             const std::string& to, unsigned before, Landed& landed) {
  HunkVerdict hunk = Begin(path, 0, nullptr);
  hunk.target = to;
  Result<std::optional<TreeFile>> there = Now(to, landed);
  if (!there) return there.error();
  if (!*there) {
    hunk.reason = "the file is not in the target";
  } else {
    TreeFile after = **there;
    unsigned mode = file.new_mode & 0100 ? 0100755 : 0100644;
    bool sets = file.new_mode && file.new_mode != file.old_mode && after.mode != 0120000 &&
                mode != before;
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
