// SPDX-License-Identifier: GPL-2.0-or-later
// The scope of an edit, and which one of the target is the same.
#include <algorithm>
#include <set>

#include "definitions.h"
#include "lander.h"
#include "lex.h"

namespace restack {

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
  auto here = base_->Find(scope.kind, scope.name), there = target_->Find(scope.kind, scope.name);
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
  auto [at, fresh] = like_.try_emplace(&scope, nullptr);
  if (fresh) at->second = FindLikeScope(scope);
  return at->second;
}

const Scope* Lander::FindLikeScope(const Scope& scope) const {
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
  if (all == 0 || most * 5 < all * 2) return Renamed(scope);
  // Another one is equally similar: it is not known which of them it is.
  auto like = [&](const Scope& candidate) {
    return Similarity(Text(Join(base_->text.lines(), scope.body, scope.end)),
                      Text(Join(target_->text.lines(), candidate.body, candidate.end)));
  };
  for (const Scope& other : target_->scopes)
    if (&other != best && other.kind == scope.kind && like(other) >= like(*best) &&
        base_->Find(other.kind, other.name).empty())
      return nullptr;
  return best;
}

/// A list or function under another name whose lines were all written anew: it has most of the
/// words, and the base has none of its name.
const Scope* Lander::Renamed(const Scope& scope) const {
  constexpr double kMost = 0.6;
  auto words = [](const Side& side, const Scope& of) {
    std::set<std::string_view> found;
    for (size_t i = of.body; i < of.close; ++i)
      for (std::string_view word : CodeWords(side.text[i])) found.insert(word);
    return found;
  };
  std::set<std::string_view> here = words(*base_, scope);
  if (here.size() < 4) return nullptr;
  const Scope* best = nullptr;
  double most = kMost;
  bool twice = false;
  for (const Scope& candidate : target_->scopes) {
    if (candidate.kind != scope.kind || !base_->Find(candidate.kind, candidate.name).empty())
      continue;
    size_t common = 0;
    for (std::string_view word : words(*target_, candidate)) common += here.count(word);
    double share = static_cast<double>(common) / static_cast<double>(here.size());
    if (share < most) continue;
    twice = best && share == most;
    most = share, best = &candidate;
  }
  return twice ? nullptr : best;
}

/// How many edits add the same lines in the scope: as often must the target have them.
size_t Lander::Alike(const Edit& edit, const Scope* scope) const {
  auto text = [](const Edit& of) {
    std::string all;
    for (const std::string& line : SqueezeLines(of.added, 0, of.added.size()).text)
      all += line + "\n";
    return all;
  };
  if (alike_.empty())
    for (const Edit& other : edits_) ++alike_[{BaseScope(Slid(other)), text(other)}];
  auto at = alike_.find({scope, text(edit)});
  return at == alike_.end() ? 1 : at->second;
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

}  // namespace restack
