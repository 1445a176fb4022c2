// SPDX-License-Identifier: GPL-2.0-or-later
// Elements of a list, members of a documented type: their names are a place when the lines beside
// them have changed.
#include <algorithm>
#include <cctype>

#include "in_scope.h"

namespace restack {

using Kind = Scope::Kind;

/// "last } }" becomes "last, new } }": an element behind the last one, whichever that is in the
/// target.
std::optional<Landing> InScope::Append() const {
  if (from_.kind != Kind::kExpression && from_.kind != Kind::kAggregate) return std::nullopt;
  if (edit_.end - edit_.begin != 1 || edit_.added.size() < 2 || edit_.begin != from_.close)
    return std::nullopt;
  if (from_.close == from_.end || to_.close == to_.end) return std::nullopt;  // nothing closes it
  auto split = [](std::string_view line) {  // what it says, and the brackets that close the list
    line = Trim(line);
    size_t end = line.size();
    while (end > 0 && (line[end - 1] == '}' || line[end - 1] == ']' || line[end - 1] == ' ')) --end;
    // Its own brackets stay with it.
    for (long open = std::count(line.begin(), line.begin() + static_cast<long>(end), '[') -
                     std::count(line.begin(), line.begin() + static_cast<long>(end), ']');
         open > 0 && end < line.size(); ++end)
      open -= line[end] == ']';
    return std::pair(Trim(line.substr(0, end)), Trim(line.substr(end)));
  };
  auto [last, close] = split(base_[edit_.begin]);
  auto [fresh, fresh_close] = split(edit_.added.back());
  auto [there, there_close] = split(target_[to_.close]);
  std::string first(Trim(edit_.added.front()));
  if (close.empty() || Squeeze(close) != Squeeze(fresh_close) ||
      Squeeze(close) != Squeeze(there_close) || Squeeze(first) != Squeeze(last) + ",")
    return std::nullopt;
  std::string_view line = target_[to_.close];
  std::string text(line.substr(0, line.find(there) + there.size()));
  text += ",\n" + Join(edit_.added, 1);
  return At(Grade::kReanchored, to_.close, to_.close + 1, text,
            "put behind the last element of " + to_.Title());
}

bool InScope::StartsMember(std::string_view line) {
  for (std::string_view head : {"# @", "# Since", "# Features", "# Returns", "# Errors", "# ..",
                                "# Example", "# TODO", "# Note"})
    if (StartsWith(line, head)) return true;
  return false;
}

/// A documented member whose words are the same, in lines that are broken or indented otherwise.
std::optional<Landing> InScope::Reworded() const {
  if (from_.kind != Kind::kDoc) return std::nullopt;
  auto block = [](const Lines& lines, const Scope& scope, size_t begin) {
    size_t end = begin + 1;
    while (end < scope.close && !StartsMember(lines[end]) && Trim(lines[end]) != "#") ++end;
    return end;
  };
  size_t begin = edit_.begin;
  while (begin > from_.body && !StartsMember(base_[begin])) --begin;
  size_t end = block(base_, from_, begin), member = FindMember(MemberKey(base_[begin]));
  if (member == kNowhere || edit_.end > end) return std::nullopt;
  size_t member_end = block(target_, to_, member);
  auto words = [](const Lines& lines, size_t from, size_t to) {
    std::string text;
    for (size_t i = from; i < to; ++i) text += Squeeze(lines[i].substr(1));
    return text;
  };
  if (words(base_, begin, end) != words(target_, member, member_end)) return std::nullopt;
  std::string_view indent = "     ";
  if (member + 1 < member_end)
    indent = target_[member + 1].substr(1, target_[member + 1].find_first_not_of(" ", 1) - 1);
  std::string text;
  auto add = [&](std::string_view line, bool first) {
    text += first ? std::string(line)
                  : "#" + std::string(indent) + std::string(Trim(line.substr(1))) + "\n";
  };
  bool first = true;
  for (size_t i = begin; i <= end; ++i) {
    if (i == edit_.begin)
      for (std::string_view line : edit_.added) add(line, first), first = false;
    if (i < end && (i < edit_.begin || i >= edit_.end)) add(base_[i], first), first = false;
  }
  return At(Grade::kReanchored, member, member_end, text,
            "the words of " + std::string(Trim(target_[member])).substr(2, 40) +
                " are the same, in other lines");
}

/// The line before `end` looks like a list's last element, which its readers stop at.
bool InScope::Ends(size_t end) const {
  if (end <= to_.body) return false;
  std::string line = Squeeze(target_[end - 1]);
  for (std::string_view mark :
       {"NULL", "-1", "{}", "{0}", "{0,", "{NULL", "{-1", "LAST", "_END", "_MAX"})
    if (line.find(mark) != std::string::npos) return true;
  return false;
}

/// The line after the list element that stands for `key`, or npos.
size_t InScope::MemberEnd(size_t member) const {
  size_t at = member + 1;
  if (to_.kind == Kind::kDoc) {
    while (at < to_.close && !StartsMember(target_[at])) ++at;
    return at;
  }
  auto ends = [&](std::string_view line) {
    line = Trim(line.substr(0, line.find("/*")));
    return EndsWith(line, ",") || EndsWith(line, ";") || EndsWith(line, "}") || EndsWith(line, ")");
  };
  if (from_.kind == Kind::kIncludes || ends(target_[member])) return at;
  for (size_t i = at; i < std::min(to_.close, member + 8); ++i)
    if (ends(target_[i])) return i + 1;
  return at;
}

size_t InScope::FindMember(const std::string& key) const {
  size_t found = kNowhere;
  if (key.empty()) return kNowhere;
  for (size_t i = to_.body; i < to_.close; ++i) {
    if (MemberKey(target_[i]) != key) continue;
    if (found != kNowhere) return kNowhere;
    found = i;
  }
  return found;
}

Landing InScope::InsertInList(size_t above, size_t below) const {
  for (size_t i = edit_.begin; i-- > from_.body;) {
    // A documented member's text may be put otherwise in the target: there only the member's name
    // is a place.
    if (Mapped(i) != kNowhere && IsSignificant(base_[i]) && i == above && from_.kind != Kind::kDoc)
      return At(Grade::kReanchored, MemberEnd(Mapped(i)), MemberEnd(Mapped(i)), Text(),
                "the next element is gone; put after " + Quote(target_[Mapped(i)]));
    size_t member = FindMember(MemberKey(base_[i]));
    if (member == kNowhere) continue;
    size_t at = MemberEnd(member);
    return At(Grade::kReanchored, at, at, Text(),
              "put after the element " + Quote(target_[member]));
  }
  if (below != kNowhere && below < from_.close) {
    size_t member = Mapped(below) != kNowhere ? Mapped(below) : FindMember(MemberKey(base_[below]));
    if (member != kNowhere)
      return At(Grade::kReanchored, member, member, Text(),
                "put before the element " + Quote(target_[member]));
  }
  if (to_.kind == Kind::kDoc) return Failed(NoNeighbour());
  bool first = above == kNowhere || above < from_.body;
  if (first && below != kNowhere && below < from_.close)
    return Failed("it was at the beginning of " + to_.Title() + ", and the element behind it, " +
                  Quote(base_[below]) + ", is gone");
  size_t at = to_.close;
  size_t last = at, base_last = from_.close;
  while (last > to_.body && IsBlank(target_[last - 1])) --last;
  while (base_last > from_.body && IsBlank(base_[base_last - 1])) --base_last;
  if (last > to_.body && target_[last - 1].find("END_OF_LIST") != std::string_view::npos)
    at = last - 1;
  // What was the last element before stays the last: it may end the list for a reader of it.
  if (at == to_.close && last > to_.body && base_last > edit_.end &&
      Squeeze(target_[last - 1]) == Squeeze(base_[base_last - 1]))
    at = last - 1;
  if (Ends(last) && at == to_.close)
    return Failed("its neighbours in " + to_.Title() + " are gone, and the last element there, " +
                  Quote(target_[last - 1]) + ", may end the list");
  auto shape = [](std::string_view line) { return Trim(line).empty() ? 0 : Trim(line)[0]; };
  char here = edit_.added.empty() ? 0 : shape(edit_.added.front());
  if (last > to_.body && !std::isalnum(static_cast<unsigned char>(here)) && here != 0) {
    bool alike = false;
    for (size_t i = to_.body; i < last; ++i) alike = alike || shape(target_[i]) == here;
    if (!alike)
      return Failed("the elements of " + to_.Title() +
                    " are of another kind there: " + Quote(target_[last - 1]));
  }
  return At(Grade::kReanchored, at, at, Text(),
            "its neighbours are gone; put at the end of " + to_.Title());
}

}  // namespace restack
