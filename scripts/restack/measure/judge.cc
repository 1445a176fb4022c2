// SPDX-License-Identifier: GPL-2.0-or-later
#include "judge.h"

#include <algorithm>
#include <optional>

#include "restack/apply.h"
#include "restack/outline.h"

namespace restack::measure {
namespace {

/// "#include "x/y.h"" without the folders: the header may have moved.
std::string Plain(const std::string& line) {
  if (!StartsWith(line, "#include\"")) return line;
  return "#include\"" + std::string(BaseName(std::string_view(line).substr(9)));
}

size_t CountIn(const std::string& text, const std::string& line) {
  size_t count = 0;
  for (std::string_view other : SplitLines(text)) count += Plain(Squeeze(other)) == line;
  return count;
}

/// The text of that function; nothing when the file has none of that name.
std::optional<std::string> Part(const std::string& path, const std::string& text,
                                const std::string& function) {
  Text all(text);
  for (const Scope& scope : Outline(path, all))
    if (scope.kind == Scope::Kind::kFunction && scope.name == function)
      return Join(all.lines(), scope.lead, scope.end);
  return std::nullopt;
}

/// Only that function of the files, when any of them has it: other hunks may add the same line
/// elsewhere.
std::map<std::string, std::string> Parts(const std::map<std::string, std::string>& files,
                                         const std::string& function) {
  std::map<std::string, std::string> parts;
  if (!function.empty())
    for (const auto& [path, text] : files)
      if (auto part = Part(path, text, function)) parts[path] = *part;
  return parts.empty() ? files : parts;
}

size_t CountIn(const std::map<std::string, std::string>& files, const std::string& line) {
  size_t count = 0;
  for (const auto& [path, text] : files) count += CountIn(text, line);
  return count;
}

/// Lines of a hunk that say something; those that it only moves are neither added nor removed.
void Significant(const Hunk& hunk, HunkFacts& facts) {
  for (const HunkLine& line : hunk.lines) {
    if (line.kind == ' ' || !IsSignificant(line.text)) continue;
    (line.kind == '+' ? facts.added : facts.removed).push_back(Plain(Squeeze(line.text)));
  }
  for (auto at = facts.added.begin(); at != facts.added.end();) {
    auto same = std::find(facts.removed.begin(), facts.removed.end(), *at);
    if (same == facts.removed.end()) {
      ++at;
      continue;
    }
    facts.removed.erase(same);
    at = facts.added.erase(at);
  }
}

}  // namespace

std::vector<HunkFacts> Facts(const Series& series, std::shared_ptr<const Tree> base,
                             const std::function<std::string(const std::string& path)>& there) {
  std::vector<HunkFacts> all;
  MemoryTree tree(base);
  for (size_t p = 0; p < series.patches.size(); ++p) {
    Patch patch = series.reverse[p] ? Reversed(series.patches[p]) : series.patches[p];
    size_t number = 0;
    for (const FileChange& file : patch.files) {
      std::string path = file.OldPath(series.strip[p]);
      Result<std::optional<TreeFile>> read = tree.Read(path);
      Text before = read && *read ? (*read)->text : Text();
      Result<Places> places = FindPlaces(file, before);
      std::vector<Scope> scopes = Outline(path, before);
      std::string after = places ? ApplyAt(file, before, *places) : before.bytes();
      std::string target = there(path);
      for (size_t h = 0; h < file.hunks.size(); ++h) {
        HunkFacts facts{p, number++, path, {}, {}, "", Share::kNone};
        Significant(file.hunks[h], facts);
        size_t line = places ? (*places)[h] : 0;
        for (const HunkLine& of : file.hunks[h].lines) {
          if (of.kind != ' ') break;
          ++line;
        }
        if (const Scope* scope = ScopeAt(scopes, line > 0 ? line - 1 : 0);
            scope && scope->kind == Scope::Kind::kFunction)
          facts.scope = scope->name;
        std::string had = after, has_there = target;
        if (!facts.scope.empty()) {
          had = Part(path, after, facts.scope).value_or(after);
          has_there = Part(path, target, facts.scope).value_or(target);
        }
        size_t has = 0, of = facts.added.size() + facts.removed.size();
        for (const std::string& added : facts.added)
          has += CountIn(has_there, added) >= CountIn(had, added);
        for (const std::string& removed : facts.removed)
          has += CountIn(has_there, removed) <= CountIn(had, removed);
        // What was only removed elsewhere is not evidence when the additions are not there.
        bool some =
            std::any_of(facts.added.begin(), facts.added.end(), [&](const std::string& added) {
              return CountIn(has_there, added) >= CountIn(had, added);
            });
        if (of > 0 && has == of)
          facts.share = Share::kAll;
        else if (some)
          facts.share = Share::kPart;
        all.push_back(std::move(facts));
      }
      Result<Effect> effect = EffectOf(patch, file, series.strip[p], tree, tree);
      if (!effect) continue;
      const Target& target_of = effect->target;
      if (target_of.kind == FileChange::Kind::kRename) tree.Delete(target_of.from);
      if (effect->after)
        tree.Write(target_of.to, *effect->after);
      else
        tree.Delete(target_of.to);
    }
  }
  return all;
}

const char* Name(Judgement judgement) {
  switch (judgement) {
    case Judgement::kRefused:
      return "refused";
    case Judgement::kRight:
      return "right";
    case Judgement::kDoubled:
      return "doubled";
    case Judgement::kLost:
      return "lost";
    case Judgement::kNoHeader:
      return "its header is gone";
    case Judgement::kElsewhere:
      return "in another function";
  }
  return "?";
}

Judgement Judge(const HunkFacts& hunk, const Outcome& outcome,
                const std::function<bool(const std::string&)>& header) {
  if (hunk.hunk >= outcome.claims.size() || !outcome.claims[hunk.hunk]) return Judgement::kRefused;
  auto old = Parts(outcome.before, hunk.scope), now = Parts(outcome.after, hunk.scope);
  size_t grown = 0, there = 0;
  for (const std::string& line : hunk.added) {
    size_t before = CountIn(old, line), after = CountIn(now, line);
    grown += after > before;
    there += after > 0;
  }
  if (hunk.share == Share::kAll) return grown > 0 ? Judgement::kDoubled : Judgement::kRight;
  // A tool that drops what the target has in another file's name shows no files at all.
  bool shown = !outcome.after.empty() || !outcome.before.empty();
  if (shown && there < hunk.added.size()) return Judgement::kLost;
  if (hunk.share == Share::kNone && grown < hunk.added.size()) return Judgement::kLost;
  for (const std::string& line : hunk.removed)
    if (hunk.share == Share::kNone && CountIn(now, line) >= CountIn(old, line) &&
        CountIn(old, line) > 0)
      return Judgement::kLost;
  for (const auto& [path, text] : now)
    for (std::string_view view : SplitLines(text)) {
      std::string line = Squeeze(view);
      bool ours = std::find(hunk.added.begin(), hunk.added.end(), Plain(line)) != hunk.added.end();
      if (ours && StartsWith(line, "#include\"") && !header(line.substr(9, line.rfind('"') - 9)))
        return Judgement::kNoHeader;
    }
  if (hunk.scope.empty() || hunk.added.empty()) return Judgement::kRight;
  // A new line is in the function that it was made for, when that is still there by name.
  bool known = false, inside = false;
  for (const auto& [path, text] : outcome.after) {
    Text after(text);
    for (const Scope& scope : Outline(path, after)) {
      if (scope.kind != Scope::Kind::kFunction || scope.name != hunk.scope) continue;
      known = true;
      for (size_t i = scope.lead; i < scope.end; ++i)
        inside = inside || Plain(Squeeze(after[i])) == hunk.added.front();
      // An addition before or behind the function is beside it.
      for (size_t i = scope.end; i < std::min(scope.end + 60, after.size()); ++i)
        inside = inside || Plain(Squeeze(after[i])) == hunk.added.front();
    }
  }
  return known && !inside ? Judgement::kElsewhere : Judgement::kRight;
}

}  // namespace restack::measure
