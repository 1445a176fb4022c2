// SPDX-License-Identifier: GPL-2.0-or-later
// What becomes of one file of a patch.
#include <algorithm>

#include "landing/lander.h"
#include "restack/apply.h"
#include "run.h"

namespace restack {

using Kind = FileChange::Kind;

bool Fits(const FileChange& file, const Text& text) {
  Result<Places> places = FindPlaces(file, text);
  if (!places) return false;
  return file.says_nothing_new != 2 || ApplyAt(file, text, *places).empty();
}

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
  if (!found) return Error{landed.patch.name + ": " + found.error().message};
  Target target = std::move(*found);
  // A second change of a file sees what the first has made of it.
  bool again = false;
  for (const std::string& path : std::set<std::string>{target.from, target.to})
    again = !landed.touched.insert(path).second || again;
  if (again)
    if (Result<void> done = Write(landed); !done) return done.error();
  if (!file.binary.empty()) {
    HunkVerdict hunk = Begin(target.to, 1, nullptr);
    hunk.reason = "a binary change, which cannot be moved: make it again on the target";
    landed.verdict.hunks.push_back(std::move(hunk));
    return Moved{};
  }
  Result<std::optional<TreeFile>> there = reads.Read(target.from);
  if (!there) return there.error();
  bool retyped = file.old_mode && file.new_mode && !SameType(file.old_mode, file.new_mode);
  if (retyped ||
      (*there && !SameType((*there)->mode, file.old_mode ? file.old_mode : file.new_mode))) {
    Refuse(file, target.to,
           target.to + (retyped ? " would become" : " is") + " another type of file", landed);
    return Moved{};
  }
  if (!Moves(file)) {
    bool makes = file.says_nothing_old == 2 && *there && !(*there)->text.empty();
    if (makes) {
      Result<std::optional<TreeFile>> base = base_->Read(target.from);
      if (!base) return base.error();
      if (!*base) {
        Refuse(file, target.from, "the series has made " + target.from + " before", landed);
        return Moved{};
      }
    }
    if ((target.found && target.kind == Kind::kCreate) || makes)
      return Create(file, target.to, landed);
  }
  std::string evidence;
  std::optional<TreeFile> before = Moves(file) && target.found && target.from != target.to
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
      std::optional<std::string> renamed = renames_.FollowHeaders(text);
      if (!renamed) continue;
      follows[i] = true;
      hunk.SetText(line, std::move(*renamed));
    }
    const PlacedHunk& placed = landed.hunks.emplace_back(std::move(hunk), places[i]);
    edits.insert(edits.end(), placed.edits.begin(), placed.edits.end());
  }
  // On the text that the patch was made on there is nothing to look for.
  bool same = target && target->path == expected && target->text.bytes() == base->text.bytes();
  std::optional<Lander> lander;
  if (!same)
    lander.emplace(
        base, target, std::move(edits), [&](const std::string& path) { return Open(path, landed); },
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
    const Origin& origin = landed.origins[landed.verdict.hunks.size()] = {&placed, base, after, landing.needs_edit};
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

}  // namespace restack
