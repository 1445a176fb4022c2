#include "lander.h"

#include <algorithm>

#include "anchor.h"

namespace restack {
namespace {

std::vector<size_t> FindAll(const std::vector<std::string_view>& needle, const Lines& lines) {
  std::vector<size_t> found;
  if (needle.empty()) return found;
  for (auto at = lines.begin();
       (at = std::search(at, lines.end(), needle.begin(), needle.end())) != lines.end(); ++at)
    found.push_back(static_cast<size_t>(at - lines.begin()));
  return found;
}

/// The first line of the hunk that is changed, in old lines from its start.
size_t FirstChanged(const Hunk& hunk) {
  size_t line = 0;
  while (line < hunk.lines.size() && hunk.lines[line].kind == ' ') ++line;
  return line;
}

}  // namespace

std::vector<Edit> EditsOf(const Hunk& hunk, size_t place) {
  std::vector<Edit> edits;
  size_t at = place;
  bool open = false;
  for (const HunkLine& line : hunk.lines) {
    if (line.kind == ' ') {
      open = false;
      ++at;
      continue;
    }
    if (!open) edits.push_back({at, at, {}});
    open = true;
    if (line.kind == '-')
      edits.back().end = ++at;
    else
      edits.back().added.push_back(line.text);
  }
  return edits;
}

Landing Lander::Land(const Hunk& hunk, size_t place) const {
  Landing landing = Place(hunk, place);
  if (landing.parts.empty()) return landing;
  std::string doubt = Doubt(hunk, place, landing);
  if (doubt.empty()) return landing;
  Landing refused = Failed(doubt);
  refused.path = landing.path;
  refused.scope = landing.scope;
  refused.failed = EditsOf(hunk, place);
  return refused;
}

/// The target has got a run of lines that the hunk inserts, in the same function: a merge or an
/// exact place would only double it.
bool Lander::Gained(const std::vector<Edit>& edits) const {
  constexpr size_t kTelling = 20;
  for (const Edit& edit : edits) {
    const Scope* from =
        edit.begin == edit.end && edit.begin > 0 ? ScopeAt(base_->scopes, edit.begin - 1) : nullptr;
    if (!from || from->kind != Scope::Kind::kFunction) continue;
    const Scope* to = SameScope(*from);
    Squeezed run = SqueezeLines(edit.added, 0, edit.added.size());
    size_t size = 0;
    for (const std::string& line : run.text) size += line.size();
    if (!to || size < kTelling) continue;
    auto count = [&](const Side& side, const Scope& scope) {
      return FindRun(SqueezeLines(side.text.lines(), scope.lead, scope.end), run).size();
    };
    if (count(*target_, *to) > count(*base_, *from)) return true;
  }
  return false;
}

Landing Lander::Place(const Hunk& hunk, size_t place) const {
  if (target_ && Gained(EditsOf(hunk, place))) return WithoutDoubles(ByEdits(hunk, place));
  if (target_) {
    Landing exact = Exact(hunk, place);
    if (exact.grade != Grade::kConflict) return exact;
    Landing merged = ThreeWay(hunk, place);
    if (merged.grade != Grade::kConflict) {
      std::string twice = Twice(EditsOf(hunk, place), merged);
      return twice.empty() ? WithoutDoubles(merged) : Failed(twice);
    }
  }
  return WithoutDoubles(ByEdits(hunk, place));
}

/// Another place of the target that fits as well as the one of a merge: then nobody knows which is
/// meant. "" if none.
std::string Lander::Twice(const std::vector<Edit>& edits, const Landing& landing) const {
  if (landing.parts.size() != edits.size()) return {};
  const Lines& target = target_->text.lines();
  for (size_t i = 0; i < edits.size(); ++i) {
    const Edit& edit = edits[i];
    const Scope* scope = ScopeAt(target_->scopes, landing.parts[i].begin);
    if (!scope) continue;
    bool other_name = landing.grade == Grade::kMoved;
    size_t from = other_name ? 0 : scope->lead, to = other_name ? target.size() : scope->end;
    // How many lines above and below the edit are there, too, when it is put at `at`.
    auto fits = [&](size_t at) -> std::pair<size_t, size_t> {
      size_t size = edit.end - edit.begin, above = 0, below = 0;
      for (size_t k = 0; k < size; ++k)
        if (at + k >= to || target[at + k] != base_->text[edit.begin + k]) return {0, 0};
      while (above < edit.begin && at > from + above &&
             base_->text[edit.begin - 1 - above] == target[at - 1 - above])
        ++above;
      while (edit.end + below < base_->text.size() && at + size + below < to &&
             base_->text[edit.end + below] == target[at + size + below])
        ++below;
      return {above, below};
    };
    size_t chosen = landing.parts[i].begin;
    auto [above, below] = fits(chosen);
    if (above == 0 || below == 0) continue;
    for (size_t at = from + 1; at < to; ++at) {
      if (at == chosen) continue;
      auto [other_above, other_below] = fits(at);
      bool says =
          other_above > 0 && other_below > 0 &&
          (IsSignificant(target[at - 1]) || IsSignificant(target[at + (edit.end - edit.begin)]));
      bool as_well = other_name && other_above == above && other_below == below;
      if (says && (as_well || other_above > above || other_below > below))
        return "its neighbour lines are twice in " + (other_name ? target_->path : scope->Title()) +
               ", at lines " + std::to_string(std::min(at, chosen) + 1) + " and " +
               std::to_string(std::max(at, chosen) + 1);
    }
  }
  return {};
}

/// Elements of a list that the target has got elsewhere in it are not added again.
Landing Lander::WithoutDoubles(Landing landing) const {
  auto element = [](std::string_view line) {
    line = Trim(line);
    return EndsWith(line, ",") ? line.substr(0, line.size() - 1) : line;
  };
  auto has = [&](const Side& side, const Scope& scope, std::string_view what) {
    for (size_t i = scope.body; i < scope.close; ++i)
      if (element(side.text[i]) == what) return true;
    return false;
  };
  std::string dropped;
  for (Replacement& part : landing.parts) {
    if (!target_ || part.path != target_->path || part.begin == 0 || part.begin != part.end)
      continue;
    const Scope* scope = ScopeAt(target_->scopes, part.begin - 1);
    if (!scope || (scope->kind != Scope::Kind::kAggregate && scope->kind != Scope::Kind::kCall))
      continue;
    const Scope* from = nullptr;
    for (const Scope* same : FindScopes(base_->scopes, scope->kind, scope->name)) from = same;
    if (!from) continue;
    std::string kept;
    for (std::string_view line : SplitLines(part.text)) {
      bool whole = EndsWith(Trim(line), ",") && IsSignificant(line);
      if (whole && has(*target_, *scope, element(line)) && !has(*base_, *from, element(line)))
        dropped = Quote(line) + " is in " + scope->Title() + " of the target";
      else
        kept += line;
    }
    part.text = kept;
  }
  if (dropped.empty()) return landing;
  std::erase_if(landing.parts, [](const Replacement& part) {
    return part.begin == part.end && part.text.empty();
  });
  if (landing.grade != Grade::kConflict)
    landing.grade = landing.parts.empty() ? Grade::kUpstream : Grade::kPartlyUpstream;
  landing.reason = dropped + "; " + landing.reason;
  return landing;
}

/// What lands below another #if is not what it was, and a compiler may never see it.
std::string Lander::OtherCondition(const Hunk& hunk, size_t place, const Landing& landing) const {
  std::vector<std::string> here;
  for (const Edit& edit : EditsOf(hunk, place))
    for (std::string& condition : ConditionsAt(base_->text.lines(), edit.begin))
      here.push_back(std::move(condition));
  for (const Replacement& part : landing.parts) {
    std::shared_ptr<const Side> target = open_(part.path);
    if (!target) continue;
    for (const std::string& condition : ConditionsAt(target->text.lines(), part.begin))
      if (std::find(here.begin(), here.end(), condition) == here.end())
        return "its place in " + part.path + ", line " + std::to_string(part.begin + 1) +
               ", is below #" + condition + ", which it was not";
  }
  return {};
}

/// Right place, wrong meaning: the target may do what the hunk does already, in its own way. A line
/// that the hunk adds and that the scope has gained since the base says so.
std::string Lander::Doubt(const Hunk& hunk, size_t place, const Landing& landing) const {
  // A shorter line may be there for any reason; less of it is enough where the place itself is no
  // evidence.
  bool unsure = landing.grade == Grade::kReanchored || landing.grade == Grade::kPartlyUpstream;
  const size_t kTelling = unsure ? 10 : 20;
  std::shared_ptr<const Side> target = open_(landing.path);
  if (!target) return {};
  if (std::string condition = OtherCondition(hunk, place, landing); !condition.empty())
    return condition;
  auto count = [](const Side& side, const Scope& scope, const std::string& line) {
    size_t found = 0;
    for (size_t i = scope.lead; i < scope.end; ++i) found += Squeeze(side.text[i]) == line;
    return found;
  };
  for (const Edit& edit : EditsOf(hunk, place)) {
    const Scope* from = ScopeAt(base_->scopes, edit.begin < edit.end ? edit.begin
                                               : edit.begin > 0      ? edit.begin - 1
                                                                     : 0);
    if (!from || from->kind != Scope::Kind::kFunction) continue;
    const Scope* to = nullptr;
    for (const Replacement& part : landing.parts)
      if (const Scope* scope = ScopeAt(target->scopes, part.begin > 0 ? part.begin - 1 : 0);
          scope && scope->kind == from->kind && (!to || scope->name == from->name))
        to = scope;
    if (!to) continue;
    for (std::string_view added : edit.added) {
      std::string line = Squeeze(added);
      if (line.size() < kTelling || (!EndsWith(line, ";") && !(unsure && IsSignificant(added))))
        continue;
      bool replaced = false;
      for (size_t i = edit.begin; i < edit.end; ++i)
        replaced = replaced || Squeeze(base_->text[i]) == line;
      if (!replaced && count(*target, *to, line) > count(*base_, *from, line))
        return to->Title() + " of " + target->path + " has gained a line that it adds, " +
               Quote(added) + ": the target may do this already, in its own way";
    }
  }
  return {};
}

bool Lander::ScopesAgree(size_t base_line, size_t target_line) const {
  const Scope* from = ScopeAt(base_->scopes, base_line);
  const Scope* to = ScopeAt(target_->scopes, target_line);
  if (!from || !to) return !from == !to || base_->scopes.empty();
  if (from->kind == Scope::Kind::kCall && to->kind == Scope::Kind::kCall) return true;
  return from->kind == to->kind && from->name == to->name;
}

std::string Lander::ScopeTitle(size_t target_line) const {
  const Scope* scope = ScopeAt(target_->scopes, target_line);
  return scope ? scope->Title() : "";
}

Landing Lander::Exact(const Hunk& hunk, size_t place) const {
  auto old = hunk.Old();
  size_t at = kNowhere;
  std::string reason = "every line of its context is there";
  if (old.empty()) {
    if (target_->text.size() > 0) return Failed("");
    at = 0;
  } else {
    std::vector<size_t> found = FindAll(old, target_->text.lines());
    if (found.empty()) return Failed("");
    size_t mapped = map_[place];
    if (mapped != kNowhere && std::find(found.begin(), found.end(), mapped) != found.end()) {
      at = mapped;
    } else {
      // The difference of the files aligns it otherwise: as many such places as the base has, in
      // the same scope.
      std::vector<size_t> here = FindAll(old, base_->text.lines());
      size_t changed = FirstChanged(hunk);
      std::erase_if(found, [&](size_t to) { return !ScopesAgree(place + changed, to + changed); });
      std::erase_if(here, [&](size_t from) {
        const Scope* a = ScopeAt(base_->scopes, from + changed);
        return a != ScopeAt(base_->scopes, place + changed);
      });
      auto nth = std::find(here.begin(), here.end(), place);
      if (found.size() != here.size() || nth == here.end()) return Failed("");
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
      if (FindScopes(target_->scopes, from->kind, from->name).size() == 1) return Failed("");
      if (FindAll(old, target_->text.lines()).size() > 1) return Failed("");
      landing.grade = Grade::kMoved;
      landing.reason = from->Title() + " is " + to->Title() + " there; " + reason;
    }
  }
  std::string text;
  for (const Edit& edit : EditsOf(hunk, at))
    landing.parts.push_back({target_->path, edit.begin, edit.end, Join(edit.added)});
  return landing;
}

Landing Lander::ThreeWay(const Hunk& hunk, size_t place) const {
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
  if (!merged.clean) return Failed("");
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
  std::vector<Edit> edits = EditsOf(hunk, place);
  size_t first = landing.parts.front().begin;
  landing.scope = ScopeTitle(first);
  const Scope* from = ScopeAt(base_->scopes, edits.front().begin);
  const Scope* to = ScopeAt(target_->scopes, first);
  if (from && to && from->kind == Scope::Kind::kFunction && to->kind == from->kind &&
      from->name != to->name && !FindScopes(target_->scopes, from->kind, from->name).empty())
    return Failed("");
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

const Scope* Lander::BaseScope(const Edit& edit) const {
  if (edit.begin < edit.end) return ScopeAt(base_->scopes, edit.begin);
  const Scope* above = edit.begin > 0 ? ScopeAt(base_->scopes, edit.begin - 1) : nullptr;
  const Scope* at = ScopeAt(base_->scopes, edit.begin);
  if (above && above == at) return at;
  // An hx entry or a section reaches up to the next one: its last line may be the edit's neighbour.
  bool open = above && (above->kind == Scope::Kind::kEntry || above->kind == Scope::Kind::kSection);
  if (open && edit.begin == base_->text.size()) return above;
  return nullptr;
}

const Scope* Lander::SameScope(const Scope& scope) const {
  auto here = FindScopes(base_->scopes, scope.kind, scope.name),
       there = FindScopes(target_->scopes, scope.kind, scope.name);
  if (scope.name.empty() && scope.kind != Scope::Kind::kIncludes) return nullptr;
  if (there.size() == 1 && here.size() == 1) return there[0];
  if (there.empty()) return nullptr;
  auto nth = std::find(here.begin(), here.end(), &scope);
  if (here.size() == there.size() && nth != here.end())
    return there[static_cast<size_t>(nth - here.begin())];
  return nullptr;
}

/// The target's scope that has most of its lines.
const Scope* Lander::LikeScope(const Scope& scope) const {
  const Scope* best = nullptr;
  size_t most = 0, all = 0;
  for (size_t i = scope.lead; i < scope.end; ++i) all += IsSignificant(base_->text[i]);
  for (const Scope& candidate : target_->scopes) {
    if (candidate.kind != scope.kind) continue;
    size_t common = 0;
    for (size_t i = scope.lead; i < scope.end; ++i)
      common += map_[i] != kNowhere && IsSignificant(base_->text[i]) && candidate.lead <= map_[i] &&
                map_[i] < candidate.end;
    if (common > most) most = common, best = &candidate;
  }
  if (all == 0 || most * 5 < all * 2) return nullptr;
  // Another one that is as like it: nobody knows which of them it is.
  auto like = [&](const Scope& candidate) {
    return Similarity(Text(Join(base_->text.lines(), scope.body, scope.end)),
                      Text(Join(target_->text.lines(), candidate.body, candidate.end)));
  };
  for (const Scope& other : target_->scopes)
    if (&other != best && other.kind == scope.kind && like(other) >= like(*best) &&
        FindScopes(base_->scopes, other.kind, other.name).empty())
      return nullptr;
  return best;
}

/// A difference may be cut at another line that gives the same result: "}, new {" is "new { }". The
/// one that lies between scopes is what was meant.
Edit Lander::Slid(const Edit& edit) const {
  if (edit.begin != edit.end || !BaseScope(edit)) return edit;
  for (bool up : {true, false}) {
    Edit slid = edit;
    for (size_t step = 0; step < edit.added.size(); ++step) {
      if (up) {
        if (slid.begin == 0 || base_->text[slid.begin - 1] != slid.added.back()) break;
        --slid.begin, --slid.end;
        std::rotate(slid.added.begin(), slid.added.end() - 1, slid.added.end());
      } else {
        if (slid.begin >= base_->text.size() || base_->text[slid.begin] != slid.added.front())
          break;
        ++slid.begin, ++slid.end;
        std::rotate(slid.added.begin(), slid.added.begin() + 1, slid.added.end());
      }
      if (!BaseScope(slid)) return slid;
    }
  }
  return edit;
}

Landing Lander::LandEdit(const Edit& given) const {
  Edit edit = Slid(given);
  const Scope* scope = BaseScope(edit);
  if (!scope) {
    if (!target_)
      return Failed(base_->path + " is not in the target, and nothing there is like it");
    Landing landing = LandBetweenScopes(edit, *base_, *target_);
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
    return LandBetweenScopes(edit, *base_, *target_);
  if (target_) {
    if (const Scope* same = SameScope(*scope))
      return LandInScope(edit, *base_, *scope, *target_, *same, "");
  }
  if (scope->kind == Scope::Kind::kFunction ||
      (scope->kind == Scope::Kind::kAggregate && !scope->name.empty())) {
    for (const std::string& path : find_(scope->name, base_->path)) {
      std::shared_ptr<const Side> other = open_(path);
      if (!other) continue;
      auto there = FindScopes(other->scopes, scope->kind, scope->name);
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

Landing Lander::ByEdits(const Hunk& hunk, size_t place) const {
  Landing whole;
  std::vector<Edit> edits = EditsOf(hunk, place);
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
