// SPDX-License-Identifier: GPL-2.0-or-later
// Reasons against a landing: what it would do twice, or otherwise than it was meant.
#include <algorithm>
#include <set>

#include "lander.h"
#include "lex.h"

namespace restack {
namespace {

/// Names of variables in lines of a meson.build: words outside of strings and comments that are
/// neither called, nor a method, nor the name of an argument.
std::set<std::string> Variables(const Lines& lines) {
  std::set<std::string> names;
  for (std::string_view line : lines) {
    bool quoted = false;
    for (size_t i = 0; i < line.size(); ++i) {
      auto word = [&](size_t at) {
        return at < line.size() &&
               (std::isalnum(static_cast<unsigned char>(line[at])) || line[at] == '_');
      };
      if (line[i] == '\'' && (i == 0 || line[i - 1] != '\\')) quoted = !quoted;
      if (quoted || !word(i)) {
        if (line[i] == '#' && !quoted) break;
        continue;
      }
      size_t begin = i;
      while (word(i + 1)) ++i;
      size_t next = line.find_first_not_of(' ', i + 1);
      char after = next == std::string_view::npos ? '\n' : line[next];
      bool method = begin > 0 && line[begin - 1] == '.';
      if (!method && after != '(' && after != ':' &&
          !std::isdigit(static_cast<unsigned char>(line[begin])))
        names.insert(std::string(line.substr(begin, i + 1 - begin)));
    }
  }
  return names;
}

}  // namespace

/// A new function that the target already has in another file: the hunk's own file may be gone, and
/// one like it is not a place for it. Upstream when all of the edit is there; a conflict when it is
/// there in other words; no reason when it is not.
std::optional<Landing> Lander::InAnotherFile(const Edit& edit) const {
  constexpr double kSame = 0.5;
  if (edit.begin != edit.end) return std::nullopt;
  Text added(Join(edit.added));
  for (const Scope& made : Outline(base_->path, added)) {
    if (made.kind != Scope::Kind::kFunction) continue;
    std::string path = gained_(made.name, base_->path);
    if (path.empty() || (target_ && path == target_->path)) continue;
    std::shared_ptr<const Side> other = open_(path);
    if (!other) continue;
    std::string there = made.Title() + " in " + path;
    if (!FindRun(SqueezeLines(other->text.lines(), 0, other->text.size()),
                 SqueezeLines(added.lines(), 0, added.size()))
             .empty())
      return Landing{Grade::kUpstream, {}, path, made.Title(), "the target has " + there, {}};
    if (Similarity(Text(Join(added.lines(), made.body, made.end)), other->text) >= kSame)
      return Failed("the target has " + there + ", in other words");
  }
  return std::nullopt;
}

/// The target already has a run of lines that the hunk inserts, in the same function, or a
/// definition of what it defines: a merge or an exact place would only double it.
bool Lander::Gained(const std::vector<Edit>& edits) const {
  constexpr size_t kTelling = 20;
  for (const Edit& edit : edits) {
    if (InAnotherFile(edit)) return true;
    for (const Scope& made : Outline(base_->path, Text(Join(edit.added))))
      if ((made.kind == Scope::Kind::kFunction || made.kind == Scope::Kind::kAggregate) &&
          !made.name.empty() && base_->Find(made.kind, made.name).empty() &&
          !target_->Find(made.kind, made.name).empty())
        return true;
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

/// Another place of the target that fits as well as that of the merge: it is not known which is
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

/// Elements of a list that the target already has elsewhere in it are not added again.
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
    for (const Scope* same : base_->Find(scope->kind, scope->name)) from = same;
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

/// A condition, which has no white space but after "not", as a message names it.
static std::string Below(std::string_view condition) {
  constexpr std::string_view kNot = "not ";
  bool other = StartsWith(condition, kNot);
  if (other) condition.remove_prefix(kNot.size());
  std::string text(condition);
  if (StartsWith(condition, "if")) text = "if " + std::string(condition.substr(2));
  return (other ? "in the #else of #" : "below #") + text;
}

/// A condition of the target around nearly all that it shares with the base: it is the file's, like
/// an include guard, and says nothing about one place in it.
bool Lander::AroundFile(const std::string& condition) const {
  if (condition == "if0") return false;
  auto [known, first] = around_.try_emplace(condition, false);
  if (!first) return known->second;
  size_t shared = 0, below = 0;
  for (size_t i = 0; i < map_.size(); ++i) {
    if (map_[i] == kNowhere || !IsSignificant(base_->text[i])) continue;
    if (StartsWith(Trim(base_->text[i]), "#")) continue;  // #include lines may be above it
    const std::vector<std::string>& there = target_->Conditions(map_[i]);
    ++shared;
    below += std::find(there.begin(), there.end(), condition) != there.end();
  }
  return known->second = shared > 0 && below * 10 >= shared * 9;
}

/// What lands below another #if is not what it was, and a compiler may never see it.
std::string Lander::OtherCondition(const std::vector<Edit>& edits, const Landing& landing) const {
  std::vector<std::string> here;
  for (const Edit& edit : edits)
    for (const std::string& condition : base_->Conditions(edit.begin)) here.push_back(condition);
  for (const Replacement& part : landing.parts) {
    std::shared_ptr<const Side> target = open_(part.path);
    if (!target) continue;
    for (const std::string& condition : target->Conditions(part.begin))
      if (std::find(here.begin(), here.end(), condition) == here.end() &&
          !(target_ && part.path == target_->path && AroundFile(condition)))
        return "its place in " + part.path + ", line " + std::to_string(part.begin + 1) + ", is " +
               Below(condition) + ", which it was not";
  }
  return {};
}

/// A variable that the base's meson.build has and the target's does not have. meson reads no line
/// of a branch that is not taken, so that a configured build may never tell.
std::string Lander::GoneVariable(const Hunk& hunk, const Side& target) const {
  if (BaseName(base_->path) != "meson.build" || BaseName(target.path) != "meson.build") return {};
  Lines added;
  for (const HunkLine& line : hunk.lines)
    if (line.kind == '+') added.push_back(line.text);
  std::set<std::string> here = Variables(base_->text.lines()),
                        there = Variables(target.text.lines());
  std::shared_ptr<const Side> top = open_("meson.build");  // what it sets, all others see
  if (top) there.merge(Variables(top->text.lines()));
  std::string gone;
  for (const std::string& name : Variables(added))
    if (here.count(name) && !there.count(name)) gone += (gone.empty() ? "`" : ", `") + name + "`";
  if (gone.empty()) return {};
  return "it uses " + gone + ", which " + target.path + " of the target no longer has";
}

/// Right place, wrong meaning: the target may do what the hunk does already, in its own way. A line
/// that the hunk adds and that the scope has gained since the base says so.
std::string Lander::Doubt(const PlacedHunk& hunk, const Landing& landing) const {
  // A shorter line may be there for any reason; less of it is enough where the place itself is no
  // evidence.
  bool unsure = landing.grade == Grade::kReanchored || landing.grade == Grade::kPartlyUpstream;
  const size_t kTelling = unsure ? 10 : 20;
  std::shared_ptr<const Side> target = open_(landing.path);
  if (!target) return {};
  if (std::string condition = OtherCondition(hunk.edits, landing); !condition.empty())
    return condition;
  if (std::string gone = GoneVariable(hunk.hunk, *target); !gone.empty()) return gone;
  auto count = [](const Side& side, const Scope& scope, const std::string& line) {
    size_t found = 0;
    for (size_t i = scope.lead; i < scope.end; ++i) found += Squeeze(side.text[i]) == line;
    return found;
  };
  for (const Edit& edit : hunk.edits) {
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
      size_t had = count(*base_, *from, line);
      // A function that returns in that way may do so once more for any reason.
      if (had > 0 && EndsFlow(added)) continue;
      if (!replaced && count(*target, *to, line) > had)
        return to->Title() + " of " + target->path + " has gained a line that it adds, " +
               Quote(added) + ": the target may do this already, in its own way";
    }
  }
  return {};
}

}  // namespace restack
