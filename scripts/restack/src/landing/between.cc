// SPDX-License-Identifier: GPL-2.0-or-later
// An edit at file scope: whole declarations and definitions between the named scopes of a file.
#include <algorithm>
#include <unordered_map>

#include "anchor.h"
#include "definitions.h"
#include "function_index.h"

namespace restack {
namespace {

using Kind = Scope::Kind;

/// What lines define at file scope: functions, macros, structures.
std::vector<std::pair<Kind, std::string>> Defined(const std::string& path, const Lines& added) {
  std::vector<std::pair<Kind, std::string>> names;
  for (const Scope& scope : Outline(path, Text(Join(added))))
    if (!scope.name.empty()) names.push_back({scope.kind, scope.name});
  return names;
}

class Between {
 public:
  Between(const Edit& edit, const Side& base, const Side& target, const LineMap& map)
      : edit_(edit), base_(base), target_(target), lines_(target.text.lines()), map_(map) {}

  Landing Run() {
    // Removals, and additions that are there already: as in one scope that is the whole file.
    Scope all = WholeFile(base_), there = WholeFile(target_);
    Landing whole = LandInScope(edit_, base_, all, target_, there, "", &map_);
    bool insertion = edit_.begin == edit_.end;
    if (whole.grade == Grade::kUpstream || !insertion) return Renamed(whole);
    for (const auto& [kind, name] : Defined(target_.path, edit_.added))
      if (kind != Kind::kIncludes && !target_.Find(kind, name).empty() &&
          (whole.grade != Grade::kMerged || base_.Find(kind, name).empty()))
        return Failed(target_.path + " has a " +
                      (kind == Kind::kFunction ? "function " : "definition of ") + name +
                      " of its own, which is not the same");
    if (whole.grade == Grade::kMerged) return Renamed(whole);
    if (edit_.alike > 1) return whole;
    if (AllIncludes()) return Include();
    // The end of the file: nothing but a header's guard below.
    if (size_t at = AtEnd(); at != kNowhere) return Put(at, "put at the end of the file");
    if (base_.scopes.empty()) return whole;
    return BesideScope(whole);
  }

 private:
  /// `apart`: with a blank line around it, else as it had them.
  Landing Put(size_t at, std::string reason, bool apart = false) const {
    size_t begin = 0, end = edit_.added.size();
    while (begin < end && IsBlank(edit_.added[begin])) ++begin;
    while (end > begin && IsBlank(edit_.added[end - 1])) --end;
    const Lines& base = base_.text.lines();
    bool blank_above = apart || begin > 0 || (edit_.begin > 0 && IsBlank(base[edit_.begin - 1]));
    bool blank_below = apart || end < edit_.added.size() ||
                       (edit_.begin < base.size() && IsBlank(base[edit_.begin]));
    std::string text = Join(edit_.added, begin, end);
    if (blank_above && at > 0 && !IsBlank(lines_[at - 1])) text = "\n" + text;
    if (blank_below && at < lines_.size() && !IsBlank(lines_[at])) text += "\n";
    return {Grade::kReanchored, {{target_.path, at, at, text}},
            target_.path,       "",
            std::move(reason),  {}};
  }

  Landing Renamed(Landing landing) const {
    if (!landing.scope.empty()) landing.scope.clear();
    return landing;
  }

  bool AllIncludes() const {
    return std::all_of(edit_.added.begin(), edit_.added.end(), [](std::string_view line) {
      return StartsWith(line, "#include") || IsBlank(line);
    });
  }

  Landing Include() const {
    const Lines& base = base_.text.lines();
    std::unordered_map<std::string_view, size_t> includes;
    for (size_t i = 0; i < lines_.size(); ++i)
      if (StartsWith(Trim(lines_[i]), "#include")) includes.try_emplace(Trim(lines_[i]), i);
    auto found = [&](std::string_view line) -> size_t {
      auto at = StartsWith(line, "#include") ? includes.find(Trim(line)) : includes.end();
      return at == includes.end() ? kNowhere : at->second;
    };
    const std::vector<std::string>& here = base_.Conditions(edit_.begin);
    auto conditional = [&](size_t at) { return target_.Conditions(at) != here; };
    std::string text;
    for (std::string_view line : edit_.added)
      if (!IsBlank(line)) text += line;
    for (size_t distance = 1; distance < base.size(); ++distance) {
      for (bool up : {true, false}) {
        if (up ? distance > edit_.begin : edit_.begin + distance > base.size()) continue;
        size_t at = found(base[up ? edit_.begin - distance : edit_.begin + distance - 1]);
        if (at == kNowhere || conditional(at)) continue;
        return {Grade::kReanchored,
                {{target_.path, at + up, at + up, text}},
                target_.path,
                "the includes",
                std::string("put ") + (up ? "after " : "before ") + Quote(lines_[at]),
                {}};
      }
    }
    return Failed("no include of " + base_.path + " is left in " + target_.path);
  }

  size_t AtEnd() const {
    const Lines& base = base_.text.lines();
    bool guard = false;
    for (size_t i = edit_.begin; i < base.size(); ++i) {
      if (StartsWith(base[i], "#endif"))
        guard = true;
      else if (!IsBlank(base[i]))
        return kNowhere;
    }
    if (!guard) return lines_.size();
    for (size_t i = lines_.size(); i-- > 0;)
      if (StartsWith(lines_[i], "#endif")) return i;
    return lines_.size();
  }

  /// Beside the nearest scope, counted in lines of the base, that the target has, too.
  Landing BesideScope(const Landing& otherwise) const {
    auto above = [&](const Scope* scope) { return scope->end <= edit_.begin; };
    auto distance_of = [&](const Scope* scope) {
      return above(scope) ? edit_.begin - scope->end
                          : scope->lead - std::min(scope->lead, edit_.begin);
    };
    // Outwards from the edit, above before below.
    auto split = std::partition_point(base_.scopes.begin(), base_.scopes.end(),
                                      [&](const Scope& scope) { return above(&scope); });
    auto up_next = split, down_next = split;
    auto next = [&]() -> const Scope* {
      bool up = up_next != base_.scopes.begin(), down = down_next != base_.scopes.end();
      if (up && (!down || distance_of(&*std::prev(up_next)) <= distance_of(&*down_next)))
        return &*--up_next;
      return down ? &*down_next++ : nullptr;
    };
    bool qapi = EndsWith(base_.path, ".json");
    // A neighbour line that is there is a nearer place than any scope: with new lines beside it,
    // it is not known where among them.
    constexpr size_t kNear = 2;
    bool code = LanguageOf(base_.path) == Language::kC;
    const Lines& base = base_.text.lines();
    for (size_t distance = 1; distance <= kNear && code; ++distance)
      for (bool up : {true, false}) {
        if (up ? distance > edit_.begin : edit_.begin + distance > base.size()) continue;
        size_t line = up ? edit_.begin - distance : edit_.begin + distance - 1;
        if (!IsSignificant(base[line]) || map_[line] == kNowhere || ScopeAt(base_.scopes, line))
          continue;
        size_t scope_line = kNowhere;
        for (const Scope* scope; scope_line == kNowhere && (scope = next());)
          if (!scope->name.empty() || scope->kind == Kind::kIncludes)
            scope_line = distance_of(scope);
        up_next = down_next = split;
        if (scope_line != kNowhere && scope_line <= kNear) continue;
        return Failed("the target has " + Quote(target_.text[map_[line]]) + " at line " +
                      std::to_string(map_[line] + 1) + ", with other lines beside it: where?");
      }
    while (const Scope* scope = next()) {
      bool up = above(scope);
      if (scope->name.empty() && scope->kind != Kind::kIncludes) continue;
      // A QAPI comment and its expression stay together: only after an expression or before a
      // comment.
      if (qapi && (up ? scope->kind != Kind::kExpression : scope->kind != Kind::kDoc)) continue;
      auto same = target_.Find(scope->kind, scope->name);
      if (same.size() != 1 && !(scope->kind == Kind::kIncludes && same.size() > 1)) continue;
      if (scope->kind == Kind::kIncludes && !up) continue;
      size_t at = up ? same.front()->end : same.front()->lead;
      if (target_.Conditions(at) != base_.Conditions(edit_.begin)) continue;
      return Put(at, std::string("put ") + (up ? "after " : "before ") + same.front()->Title(),
                 scope->kind == Kind::kFunction);
    }
    return otherwise;
  }

  const Edit& edit_;
  const Side& base_;
  const Side& target_;
  const Lines& lines_;
  const LineMap& map_;
};

}  // namespace

Landing LandBetweenScopes(const Edit& edit, const Side& base, const Side& target,
                          const LineMap& map) {
  return Between(edit, base, target, map).Run();
}

}  // namespace restack
