// SPDX-License-Identifier: GPL-2.0-or-later
#include "anchor.h"

#include <algorithm>
#include <cctype>

#include "in_scope.h"
#include "lex.h"

namespace restack {
namespace {

using Kind = Scope::Kind;

bool IsList(Kind kind) {
  return kind == Kind::kAggregate || kind == Kind::kExpression || kind == Kind::kCall ||
         kind == Kind::kDoc || kind == Kind::kIncludes;
}

/// A declaration of locals, as far as one line shows it.
bool IsDeclaration(std::string_view line) {
  line = Trim(line);
  if (line.empty() || line.back() != ';') return false;
  for (std::string_view word : {"return", "goto", "break", "continue", "case", "else", "if"})
    if (StartsWith(line, word)) return false;
  std::string_view left = line.substr(0, line.find('='));
  if (left.find('(') != std::string_view::npos || left.find("->") != std::string_view::npos ||
      left.find('.') != std::string_view::npos)
    return false;
  // Two words at least: a type and a name.
  left = Trim(left.substr(0, left.find(';')));
  if (left.empty() || (!std::isalnum(static_cast<unsigned char>(left.back())) &&
                       left.back() != '_' && left.back() != ']'))
    return false;  // `x += y;`
  size_t space = left.find_first_of(" *");
  return space != std::string_view::npos &&
         left.find_first_not_of(" *", space) != std::string_view::npos;
}

/// After the declarations at the start of a function's body.
size_t DeclarationsEnd(const Lines& lines, const Scope& scope) {
  size_t end = scope.body;
  for (size_t i = scope.body; i < scope.close; ++i) {
    if (IsDeclaration(lines[i]))
      end = i + 1;
    else if (!IsBlank(lines[i]) && lines[i].find("/*") == std::string_view::npos &&
             Trim(lines[i])[0] != '*')
      break;
  }
  return end;
}

}  // namespace

/// The scope's lines; of a whole file those that are kept.
const Squeezed& InScope::LinesOf(const Side& side, const Scope& scope, Squeezed& made) {
  if (scope.lead == 0 && scope.end == side.text.size()) return side.squeezed();
  return made = SqueezeLines(side.text.lines(), scope.lead, scope.end);
}

Landing InScope::Run() {
  Landing landing;
  if (Present(landing)) return landing;
  return edit_.begin < edit_.end ? Replace() : Insert();
}

/// The target has what the edit adds, and not what it removes.
bool InScope::Present(Landing& landing) const {
  Squeezed added = SqueezeLines(edit_.added, 0, edit_.added.size());
  Squeezed removed = SqueezeLines(base_, edit_.begin, edit_.end);
  Squeezed part, base_part;
  const Squeezed& there = LinesOf(target_side_, to_, part);
  const Squeezed& here = LinesOf(base_side_, from_, base_part);
  bool significant = std::any_of(edit_.added.begin(), edit_.added.end(), IsSignificant);
  if (added.text.empty() && !removed.text.empty()) {
    if (Gone()) {
      landing = {Grade::kUpstream,
                 {},
                 path_,
                 to_.Title(),
                 "what it removes is nowhere in " + path_ +
                     " of the target, and nothing like it in " + to_.Title(),
                 {}};
      return true;
    }
    // What only removes is done when the lines around it meet in the target.
    size_t before = Above(edit_.begin), after = Below(edit_.end);
    if (before == kNowhere || after == kNowhere || Mapped(before) == kNowhere ||
        Mapped(after) == kNowhere)
      return false;
    if (!IsSignificant(base_[before]) && !IsSignificant(base_[after])) return false;
    for (size_t i = Mapped(before) + 1; i < Mapped(after); ++i)
      if (!IsBlank(target_[i])) return false;
    landing = {Grade::kUpstream,
               {},
               path_,
               to_.Title(),
               "the target has removed the same lines in " + to_.Title(),
               {}};
    return true;
  }
  if (!significant) return false;
  std::vector<size_t> runs = FindRun(there, added);
  if (runs.empty() && edit_.alike == 1) {
    size_t line = Apart(here, there, removed);
    if (line == kNowhere) return false;
    landing = {Grade::kUpstream,
               {},
               path_,
               to_.Title(),
               "the target has these lines in " + to_.Title() + ", from line " +
                   std::to_string(line + 1) + ", with others between them",
               {}};
    return true;
  }
  if (runs.size() <= FindRun(here, added).size()) return false;
  if (!removed.text.empty() && std::any_of(edit_.added.begin(), edit_.added.end(), IsSignificant) &&
      FindRun(there, removed).size() >= FindRun(here, removed).size() &&
      FindRun(there, removed).size() > 0 && FindRun(added, removed).empty())
    return false;
  size_t line = there.at[runs.front()];
  if (runs.size() < FindRun(here, added).size() + edit_.alike) {
    landing =
        Failed("the target has " + Quote(edit_.added.front()) + " in " + to_.Title() + " at line " +
               std::to_string(line + 1) + ", but the patch puts the same there " +
               std::to_string(edit_.alike) + " times: which is it?");
    return true;
  }
  if (!Beside(there, added, runs)) {
    landing = Failed("the target has " + Quote(edit_.added.front()) + " at line " +
                     std::to_string(line + 1) + " of " + path_ +
                     ", but beside other lines: it may be there for another reason");
    return true;
  }
  landing = {
      Grade::kUpstream,
      {},
      path_,
      to_.Title(),
      "the target has these lines in " + to_.Title() + ", from line " + std::to_string(line + 1),
      {}};
  return true;
}

/// The first of the added lines, when the target already has all that say something, in their order
/// and near each other, and none of those that the edit removes; kNowhere otherwise.
size_t InScope::Apart(const Squeezed& here, const Squeezed& there, const Squeezed& removed) const {
  constexpr size_t kTelling = 45;
  std::vector<std::string> lines;
  size_t size = 0;
  for (std::string_view line : edit_.added)
    if (IsSignificant(line)) lines.push_back(Squeeze(line)), size += lines.back().size();
  if (lines.size() < 2 || size < kTelling) return kNowhere;
  for (const std::string& line : lines)
    if (there.Count(line) <= here.Count(line)) return kNowhere;
  for (const std::string& line : removed.text)
    if (line.size() > 8 && std::find(lines.begin(), lines.end(), line) == lines.end() &&
        there.Count(line) >= here.Count(line))
      return kNowhere;
  Squeezed beginning{{lines[0]}, {0}};
  for (size_t first : FindRun(there, beginning)) {
    size_t at = first, found = 1, most = first + 2 * lines.size() + 4;
    while (found < lines.size() && ++at < std::min(most, there.text.size()))
      found += there.text[at] == lines[found];
    if (found == lines.size()) return there.at[first];
  }
  return kNowhere;
}

/// The lines that the edit removes from a function: gone from the whole file, and not reworded
/// where they were.
bool InScope::Gone() const {
  if (from_.kind != Kind::kFunction) return false;
  bool significant = false;
  for (size_t i = edit_.begin; i < edit_.end; ++i) {
    if (!IsSignificant(base_[i])) continue;
    significant = true;
    std::string removed = Squeeze(base_[i]);
    if (target_side_.squeezed().Count(removed) > 0) return false;
    if (!target_side_.MostLike(base_[i], to_.lead, to_.end).empty()) return false;
  }
  return significant;
}

/// In a file of a language without scopes, a short run is evidence only beside a neighbour of the
/// edit: the same line may be anywhere in it.
bool InScope::Beside(const Squeezed& there, const Squeezed& added,
                     const std::vector<size_t>& runs) const {
  constexpr size_t kTelling = 60, kNear = 3;
  size_t size = 0;
  for (const std::string& line : added.text) size += line.size();
  bool whole = from_.kind == Kind::kSection && from_.lead == 0 && from_.end == base_.size();
  if (!whole || size >= kTelling || EndsWith(path_, ".c") || EndsWith(path_, ".h")) return true;
  std::vector<std::string> neighbours;
  for (size_t line : {Above(edit_.begin), Below(edit_.end)})
    if (line != kNowhere && IsSignificant(base_[line])) neighbours.push_back(Squeeze(base_[line]));
  if (neighbours.empty()) return true;
  for (size_t run : runs) {
    size_t begin = run > kNear ? run - kNear : 0,
           end = std::min(there.text.size(), run + added.text.size() + kNear);
    for (size_t i = begin; i < end; ++i)
      if (std::find(neighbours.begin(), neighbours.end(), there.text[i]) != neighbours.end())
        return true;
  }
  return false;
}

size_t InScope::Above(size_t line) const {
  while (line > from_.lead)
    if (!IsBlank(base_[--line])) return line;
  return kNowhere;
}

size_t InScope::Below(size_t line) const {
  for (; line < from_.end; ++line)
    if (!IsBlank(base_[line])) return line;
  return kNowhere;
}

Landing InScope::Replace() const {
  bool run = true, significant = false;
  for (size_t i = edit_.begin; i < edit_.end; ++i) {
    run = run && Mapped(i) != kNowhere && Mapped(i) == Mapped(edit_.begin) + (i - edit_.begin);
    significant = significant || IsSignificant(base_[i]);
  }
  size_t size = edit_.end - edit_.begin;
  bool neighbour = (edit_.begin > from_.lead && Mapped(edit_.begin - 1) != kNowhere &&
                    Mapped(edit_.begin - 1) + 1 == Mapped(edit_.begin)) ||
                   (edit_.end < from_.end && Mapped(edit_.end) != kNowhere && run &&
                    Mapped(edit_.end) == Mapped(edit_.begin) + size);
  if (run && (significant || neighbour))
    return At(Grade::kMerged, Mapped(edit_.begin), Mapped(edit_.begin) + size, Text(),
              "the replaced lines are as they were; the target changed lines around them");
  Squeezed removed = SqueezeLines(base_, edit_.begin, edit_.end), part;
  const Squeezed& there = LinesOf(target_side_, to_, part);
  std::vector<size_t> runs = FindRun(there, removed);
  Squeezed base_part;
  if (from_.kind == Kind::kSection && runs.size() == 1 && significant &&
      FindRun(LinesOf(base_side_, from_, base_part), removed).size() > 1)
    return Failed("the lines that it replaces are several times in " + from_.Title() + " of " +
                  base_side_.path + ", and once in the target, at line " +
                  std::to_string(there.at[runs[0]] + 1) + ": is it these?");
  if (runs.size() == 1 && significant) {
    size_t begin = there.at[runs[0]], end = there.at[runs[0] + removed.text.size() - 1] + 1;
    if (Squeeze(Join(edit_.added)) == Squeeze(Join(base_, edit_.begin, edit_.end))) {
      // Only white space is changed: in another place it may be as wanted, or otherwise for a
      // reason.
      if (Join(target_, begin, end) == Join(edit_.added))
        return {Grade::kUpstream,
                {},
                path_,
                to_.Title(),
                "the target's lines are already as the patch makes them",
                {}};
      return Failed("it changes only white space, of lines that are elsewhere in " + to_.Title() +
                    ", at line " + std::to_string(begin + 1));
    }
    return At(Grade::kReanchored, begin, end,
              Reindent(edit_.added, base_[edit_.begin], target_[begin]),
              "the replaced lines are elsewhere in " + to_.Title() + ", at line " +
                  std::to_string(begin + 1));
  }
  if (std::optional<Landing> appended = Append()) return *appended;
  if (std::optional<Landing> worded = Reworded()) return *worded;
  for (size_t i = edit_.begin; i < edit_.end; ++i) {
    if (!IsSignificant(base_[i]) || Mapped(i) != kNowhere) continue;
    std::string like = target_side_.MostLike(base_[i], to_.lead, to_.end);
    return NeedsEdit("in " + to_.Title() + " of " + path_ + " the line " + Quote(base_[i]) +
                     " that it replaces " +
                     (like.empty() ? "is gone" : "is " + Quote(like) + " there"));
  }
  return Failed("in " + to_.Title() + " of " + path_ +
                " the lines that it replaces are no longer together");
}

Landing InScope::Insert() const {
  size_t above = Above(edit_.begin), below = Below(edit_.begin);
  size_t before = above == kNowhere    ? to_.lead - 1
                  : above < from_.body ? to_.body - 1
                                       : Mapped(above);
  size_t after = below == kNowhere ? to_.end : below >= from_.close ? to_.close : Mapped(below);
  if (above == kNowhere && to_.lead == 0) before = kNowhere;
  bool code = from_.kind == Kind::kFunction || from_.kind == Kind::kMacro;
  if (before != kNowhere && after != kNowhere && before < after) {
    bool gap = false;
    long depth = 0, lowest = 0;
    for (size_t i = before + 1; i < after; ++i) {
      gap = gap || !IsBlank(target_[i]);
      for (char c : target_[i]) depth += (c == '{') - (c == '}'), lowest = std::min(lowest, depth);
    }
    bool next_to_above = above != kNowhere && above + 1 == edit_.begin;
    if (!gap)
      return At(Grade::kMerged, next_to_above ? before + 1 : after,
                next_to_above ? before + 1 : after, Text(),
                "its neighbour lines are there; the target changed lines around them");
    // Both neighbours are there with new lines between them: next to the one that is not just the
    // scope's border.
    bool border_above = above == kNowhere || above < from_.body,
         border_below = below == kNowhere || below >= from_.close;
    if (code && border_above && Declarations()) return AfterDeclarations();
    if (border_above && border_below && code) return NeedsEdit(NoNeighbour());
    if (code && std::any_of(edit_.added.begin(), edit_.added.end(), EndsFlow))
      return Failed("it may leave " + to_.Title() +
                    ", and the target has new lines between its neighbours: before or after them?");
    bool prefer_above = border_above   ? false
                        : border_below ? true
                                       : next_to_above || edit_.begin != below;
    if (code && !border_above && !border_below && (depth != 0 || lowest != 0))
      return Failed("in " + to_.Title() +
                    " the target has begun or ended a block between its neighbour lines");
    if (code && prefer_above && border_below && EndsFlow(target_[before]))
      return NeedsEdit(NoNeighbour());
    // Both sides added statements at the same place: often the same fix in other words. Only
    // cases of a switch do not care who comes first.
    if (code && !Cases(before + 1, after))
      return Failed("in " + to_.Title() + " of " + path_ +
                    " the target has added lines at the same place, " +
                    Quote(target_[FirstSignificant(before + 1, after)]));
    size_t at = prefer_above ? before + 1 : after;
    std::string where = border_above && border_below ? "at the end of " + to_.Title()
                        : prefer_above               ? "after " + Quote(target_[before])
                                                     : "before " + Quote(target_[after]);
    return At(Grade::kReanchored, at, at, Text(),
              "the target has new lines between its neighbours; put " + where);
  }
  if (code && Declarations()) return AfterDeclarations();
  if (IsList(from_.kind)) return InsertInList(above, below);
  // One neighbour is left: that is enough if it is adjacent and significant.
  if (above != kNowhere && above + 1 == edit_.begin && above >= from_.body &&
      Mapped(above) != kNowhere && IsSignificant(base_[above]) && !(code && EndsFlow(base_[above])))
    return At(Grade::kReanchored, Mapped(above) + 1, Mapped(above) + 1, Text(),
              "the line below it is gone; put after " + Quote(base_[above]));
  if (below != kNowhere && below == edit_.begin && below < from_.close &&
      Mapped(below) != kNowhere && IsSignificant(base_[below]))
    return At(Grade::kReanchored, Mapped(below), Mapped(below), Text(),
              "the line above it is gone; put before " + Quote(base_[below]));
  return NeedsEdit(NoNeighbour());
}

size_t InScope::FirstSignificant(size_t begin, size_t end) const {
  for (size_t i = begin; i < end; ++i)
    if (IsSignificant(target_[i])) return i;
  return begin;
}

/// What the edit adds, and what the target has there, begins with a case.
bool InScope::Cases(size_t begin, size_t end) const {
  auto first = std::find_if(edit_.added.begin(), edit_.added.end(), IsSignificant);
  return first != edit_.added.end() && StartsWith(Trim(*first), "case ") &&
         StartsWith(Trim(target_[FirstSignificant(begin, end)]), "case ");
}

std::string InScope::NoNeighbour() const {
  return "neither neighbour line of what it inserts is left in " + to_.Title() + " of " + path_;
}

/// The edit adds only locals, among the locals.
bool InScope::Declarations() const {
  if (edit_.begin > DeclarationsEnd(base_, from_)) return false;
  return std::all_of(edit_.added.begin(), edit_.added.end(),
                     [](std::string_view line) { return IsBlank(line) || IsDeclaration(line); }) &&
         std::any_of(edit_.added.begin(), edit_.added.end(), IsDeclaration);
}

Landing InScope::AfterDeclarations() const {
  size_t at = DeclarationsEnd(target_, to_);
  std::string text;
  for (std::string_view line : edit_.added)
    if (!IsBlank(line)) text += line;
  if (at == to_.body && at < target_.size() && !IsBlank(target_[at])) text += "\n";
  return At(Grade::kReanchored, at, at, text,
            "put at the end of the declarations of " + to_.Title());
}

Scope WholeFile(const Side& side) {
  size_t size = side.text.size();
  return {Scope::Kind::kSection, std::string(BaseName(side.path)), 0, 0, 0, size, size};
}

Landing LandInScope(const Edit& edit, const Side& base, const Scope& from, const Side& target,
                    const Scope& to, const std::string& moved, const LineMap* map) {
  Landing landing = InScope(edit, base, from, target, to, map).Run();
  if (landing.grade == Grade::kConflict || moved.empty()) return landing;
  if (landing.grade != Grade::kUpstream) landing.grade = Grade::kMoved;
  landing.reason = moved + "; " + landing.reason;
  return landing;
}

}  // namespace restack
