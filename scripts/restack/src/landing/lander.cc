// SPDX-License-Identifier: GPL-2.0-or-later
#include "lander.h"

#include <algorithm>

#include "anchor.h"

namespace restack {
namespace {

/// The first line of the hunk that is changed, in old lines from its start.
size_t FirstChanged(const Hunk& hunk) {
  size_t line = 0;
  while (line < hunk.lines.size() && hunk.lines[line].kind == ' ') ++line;
  return line;
}

}  // namespace

Landing Lander::Land(const PlacedHunk& hunk) const {
  Landing landing = Place(hunk);
  if (landing.parts.empty()) return landing;
  std::string doubt = Doubt(hunk, landing);
  if (doubt.empty()) return landing;
  Landing refused = Failed(doubt);
  refused.path = landing.path;
  refused.scope = landing.scope;
  refused.failed = hunk.edits;
  return refused;
}

Landing Lander::Place(const PlacedHunk& hunk) const {
  if (target_ && !Gained(hunk.edits)) {
    if (std::optional<Landing> exact = Exact(hunk)) return *exact;
    if (std::optional<Landing> merged = ThreeWay(hunk)) {
      std::string twice = Twice(hunk.edits, *merged);
      return twice.empty() ? WithoutDoubles(*merged) : Failed(twice);
    }
  }
  return WithoutDoubles(ByEdits(hunk.edits));
}

std::optional<Landing> Lander::Exact(const PlacedHunk& placed) const {
  const Hunk& hunk = placed.hunk;
  size_t place = placed.place;
  auto old = hunk.Old();
  size_t at = kNowhere;
  std::string reason = "every line of its context is there";
  if (old.empty()) {
    if (target_->text.size() > 0) return std::nullopt;
    at = 0;
  } else {
    const Lines& lines = target_->text.lines();
    size_t mapped = map_[place];
    if (mapped != kNowhere && mapped + old.size() <= lines.size() &&
        std::equal(old.begin(), old.end(), lines.begin() + static_cast<long>(mapped))) {
      at = mapped;
    } else {
      std::vector<size_t> found = target_->FindRun(old);
      if (found.empty()) return std::nullopt;
      // The difference of the files aligns it otherwise: as many such places as the base has, in
      // the same scope.
      std::vector<size_t> here = base_->FindRun(old);
      size_t changed = FirstChanged(hunk);
      std::erase_if(found, [&](size_t to) { return !ScopesAgree(place + changed, to + changed); });
      std::erase_if(here, [&](size_t from) {
        const Scope* a = ScopeAt(base_->scopes, from + changed);
        return a != ScopeAt(base_->scopes, place + changed);
      });
      auto nth = std::find(here.begin(), here.end(), place);
      if (found.size() != here.size() || nth == here.end()) return std::nullopt;
      at = found[static_cast<size_t>(nth - here.begin())];
      reason = "every line of its context is there, once in its scope";
    }
  }
  size_t changed = FirstChanged(hunk);
  Landing landing{Grade::kExact, {}, target_->path, ScopeTitle(at + changed), reason, {}};
  if (!old.empty() && !ScopesAgree(place + changed, at + changed)) {
    const Scope* from = ScopeAt(base_->scopes, place + changed);
    const Scope* to = ScopeAt(target_->scopes, at + changed);
    // What is one line of a declaration here may be a scope there; a function under another name is
    // said.
    if (from && to && from->kind == Scope::Kind::kFunction && to->kind == from->kind) {
      if (target_->Find(from->kind, from->name).size() == 1) return std::nullopt;
      if (target_->FindRun(old).size() > 1) return std::nullopt;
      landing.grade = Grade::kMoved;
      landing.reason = from->Title() + " is " + to->Title() + " there; " + reason;
    }
  }
  for (const Edit& edit : placed.edits)
    landing.parts.push_back(
        {target_->path, edit.begin - place + at, edit.end - place + at, Join(edit.added)});
  return landing;
}

std::optional<Landing> Lander::ThreeWay(const PlacedHunk& placed) const {
  const Hunk& hunk = placed.hunk;
  size_t place = placed.place;
  // A window that begins and ends with a line that both have.
  size_t size = hunk.Old().size();
  size_t begin = place > 3 ? place - 3 : 0, end = std::min(place + size + 3, base_->text.size());
  while (begin > 0 && map_[begin] == kNowhere) --begin;
  while (end < base_->text.size() && map_[end - 1] == kNowhere) ++end;
  size_t there = map_.empty() || map_[begin] == kNowhere ? 0 : map_[begin];
  size_t there_end = end == base_->text.size() || map_[end - 1] == kNowhere ? target_->text.size()
                                                                            : map_[end - 1] + 1;
  std::string before = Join(base_->text.lines(), begin, end),
              target = Join(target_->text.lines(), there, there_end);
  std::string after = Join(base_->text.lines(), begin, place);
  for (std::string_view line : hunk.New()) after += line;
  after += Join(base_->text.lines(), place + size, end);
  Merged merged = Merge(before, target, after);
  if (!merged.clean) return std::nullopt;
  Landing landing{Grade::kMerged,
                  {},
                  target_->path,
                  "",
                  "a three-way merge with what the target changed around it",
                  {}};
  Text result(merged.text);
  for (const Change& change : Diff(target, merged.text))
    landing.parts.push_back({target_->path, there + change.a_begin, there + change.a_end,
                             Join(result.lines(), change.b_begin, change.b_end)});
  if (landing.parts.empty()) {
    const Scope* scope = ScopeAt(base_->scopes, place + FirstChanged(hunk));
    landing.grade = Grade::kUpstream;
    landing.scope = scope ? scope->Title() : "";
    landing.reason =
        "the target has made the same change" + (scope ? " in " + scope->Title() : std::string());
    return landing;
  }
  // Right place: the scope of each edit is the same one.
  const std::vector<Edit>& edits = placed.edits;
  size_t first = landing.parts.front().begin;
  landing.scope = ScopeTitle(first);
  const Scope* from = ScopeAt(base_->scopes, edits.front().begin);
  const Scope* to = ScopeAt(target_->scopes, first);
  if (from && to && from->kind == Scope::Kind::kFunction && to->kind == from->kind &&
      from->name != to->name && !target_->Find(from->kind, from->name).empty())
    return std::nullopt;
  if (from && to && from->kind == Scope::Kind::kFunction && to->kind == from->kind &&
      from->name != to->name) {
    landing.grade = Grade::kMoved;
    landing.reason = from->Title() + " is " + to->Title() + " there; " + landing.reason;
  }
  if (landing.parts.size() < edits.size()) {
    landing.grade = Grade::kPartlyUpstream;
    landing.reason = "the target has made " + std::to_string(edits.size() - landing.parts.size()) +
                     " of its " + std::to_string(edits.size()) +
                     " changes; the rest by a three-way merge";
  }
  return landing;
}

Landing Lander::LandEdit(const Edit& given) const {
  Edit edit = Slid(given);
  const Scope* scope = BaseScope(edit);
  edit.alike = Alike(edit, scope);
  if (std::optional<Landing> there = InAnotherFile(edit)) return *there;
  if (!scope) {
    if (!target_)
      return Failed(base_->path + " is not in the target, and nothing there is like it");
    Landing landing = LandBetweenScopes(edit, *base_, *target_, map_);
    // A macro's line that left for another file.
    if (landing.grade == Grade::kConflict && edit.end - edit.begin == 1 &&
        StartsWith(base_->text[edit.begin], "#define ")) {
      std::string_view line = base_->text[edit.begin].substr(8);
      std::string name(line.substr(0, line.find_first_of(" (\n")));
      for (const std::string& path : find_(name, base_->path)) {
        std::shared_ptr<const Side> other = open_(path);
        if (!other || path == target_->path) continue;
        Landing there = LandInScope(edit, *base_, WholeFile(*base_), *other, WholeFile(*other),
                                    name + " is in " + path);
        if (there.grade != Grade::kConflict) return there;
      }
    }
    return landing;
  }
  if (scope->kind == Scope::Kind::kIncludes && target_)
    return LandBetweenScopes(edit, *base_, *target_, map_);
  if (target_) {
    if (const Scope* same = SameScope(*scope))
      return LandInScope(edit, *base_, *scope, *target_, *same, "");
  }
  if (scope->kind == Scope::Kind::kFunction ||
      (scope->kind == Scope::Kind::kAggregate && !scope->name.empty())) {
    for (const std::string& path : find_(scope->name, base_->path)) {
      std::shared_ptr<const Side> other = open_(path);
      if (!other) continue;
      auto there = other->Find(scope->kind, scope->name);
      if (there.size() == 1)
        return LandInScope(edit, *base_, *scope, *other, *there[0],
                           scope->Title() + " is in " + path);
    }
  }
  if (target_) {
    if (const Scope* like = LikeScope(*scope))
      return LandInScope(edit, *base_, *scope, *target_, *like,
                         scope->Title() + " is " + like->Title() + " there");
    return Failed(scope->Title() + " is gone from " + target_->path +
                  " and nothing there is like it");
  }
  return Failed(base_->path + " is not in the target, and " + scope->Title() + " is nowhere else");
}

Landing Lander::ByEdits(const std::vector<Edit>& edits) const {
  Landing whole;
  size_t upstream = 0, failed = 0;
  Grade worst = Grade::kExact;
  std::string why;
  auto rank = [](Grade grade) {
    return grade == Grade::kMoved ? 1 : grade == Grade::kMerged ? 2 : 3;
  };
  for (const Edit& edit : edits) {
    Landing part = LandEdit(edit);
    if (part.grade == Grade::kUpstream) {
      ++upstream;
      if (why.empty()) why = part.reason;
    } else if (part.grade == Grade::kConflict) {
      if (failed++ == 0) why = part.reason;
      whole.needs_edit = whole.needs_edit || part.needs_edit;
      whole.failed.push_back(edit);
    } else {
      if (worst == Grade::kExact || rank(part.grade) > rank(worst)) {
        worst = part.grade;
        if (failed == 0) why = part.reason;
      }
      whole.path = part.path;
      whole.scope = part.scope;
      for (Replacement& replacement : part.parts) whole.parts.push_back(std::move(replacement));
    }
    if (whole.scope.empty()) whole.scope = part.scope;
    if (whole.path.empty()) whole.path = part.path;
  }
  if (whole.path.empty() && target_) whole.path = target_->path;
  if (failed > 0) {
    whole.grade = Grade::kConflict;
    whole.reason = why;
    if (failed < edits.size())
      whole.reason += " (" + std::to_string(failed) + " of its " + std::to_string(edits.size()) +
                      " changes; the others are landed)";
  } else if (upstream == edits.size()) {
    whole.grade = Grade::kUpstream;
    whole.reason = why;
  } else if (upstream > 0) {
    whole.grade = Grade::kPartlyUpstream;
    whole.reason = std::to_string(upstream) + " of its " + std::to_string(edits.size()) +
                   " changes are in the target; " + why;
  } else {
    whole.grade = worst;
    whole.reason = why;
  }
  return whole;
}

}  // namespace restack
