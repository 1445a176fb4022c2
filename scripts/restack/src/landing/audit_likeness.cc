// SPDX-License-Identifier: GPL-2.0-or-later
// Questions about lines of the target that are nearly what the hunk adds.
#include <algorithm>
#include <cctype>
#include <utility>

#include "auditor.h"
#include "words.h"

namespace restack {

/// Whether one word is the other with one letter more, or with two letters in the other order,
/// within a long run of letters and not at its end: somebody has spelt it otherwise.
static bool OneLetter(std::string_view a, std::string_view b) {
  constexpr size_t kLetters = 8;
  if (a.size() > b.size()) std::swap(a, b);
  if (b.size() - a.size() > 1 || a == b) return false;
  size_t at = 0;
  while (at < a.size() && a[at] == b[at]) ++at;
  bool more = b.size() > a.size();
  if (more ? a.substr(at) != b.substr(at + 1)
           : at + 1 >= a.size() || a[at] != b[at + 1] || a[at + 1] != b[at] ||
                 a.substr(at + 2) != b.substr(at + 2))
    return false;
  size_t begin = at, end = at;
  while (begin > 0 && std::isalpha(static_cast<unsigned char>(b[begin - 1]))) --begin;
  while (end < b.size() && std::isalpha(static_cast<unsigned char>(b[end]))) ++end;
  return end - begin >= kLetters && at > begin && at + 2 - more < end;
}

/// Whether the lines differ in nothing but words that are spelt otherwise.
static bool SpeltOtherwise(std::string_view a, std::string_view b) {
  constexpr size_t kMost = 3;
  size_t most = std::max(a.size(), b.size());
  if (most - std::min(a.size(), b.size()) > kMost) return false;
  bool otherwise = false;
  for (size_t i = 0, j = 0; i < a.size() || j < b.size();) {
    std::string_view one = WordAt(a, i), other = WordAt(b, j);
    if (one.empty() != other.empty() || i >= a.size() || j >= b.size()) return false;
    if (one.empty()) {
      if (a[i++] != b[j++]) return false;
      continue;
    }
    if (one != other) {
      if (!OneLetter(one, other)) return false;
      otherwise = true;
    }
    i += one.size(), j += other.size();
  }
  return otherwise;
}

/// The target has gained the line with a word that is spelt otherwise.
std::string Auditor::Misspelt(const std::vector<Added>& added) const {
  constexpr size_t kNear = 150;
  for (const Added& each : added) {
    if (!IsSignificant(each.line)) continue;
    std::string_view line = Trim(each.line);
    size_t begin = each.at > kNear ? each.at - kNear : 0,
           end = std::min(target_.size(), each.part->end + kNear);
    for (size_t i = begin; i < end; ++i) {
      if (i >= each.part->begin && i < each.part->end) continue;
      std::string_view there = Trim(file_.target->text[i]);
      if (!SpeltOtherwise(line, there)) continue;
      std::string squeezed = Squeeze(there);
      if (target_.Count(squeezed) <= base_.Count(squeezed) || after_.Count(squeezed) > 0) continue;
      return "the target has " + Quote(there) + " at line " + std::to_string(i + 1) +
             ", which is " + Quote(line) + " with another spelling";
    }
  }
  return {};
}

/// A line that the target already has beside the place says nearly the same.
std::string Auditor::NearlySame(const std::vector<Added>& added) const {
  constexpr size_t kLines = 12, kWords = 3, kFunction = 400, kMany = 5, kProse = 6;
  constexpr double kSame = 0.72;
  auto comment = [](std::string_view line) {
    line = Trim(line);
    return !line.empty() && (line[0] == '#' || line[0] == ';' || StartsWith(line, "//"));
  };
  for (const Added& each : added) {
    if (!IsSignificant(each.line)) continue;
    // The names of headers are alike; which one it is, others say.
    if (language_ == Language::kC && StartsWith(Trim(each.line), "#include")) continue;
    std::set<std::string> words = SubWords(each.line);
    if (words.size() < kWords) continue;
    double best = 0;
    size_t found = 0;
    // A long line of text identifies itself: it may be far away.
    if (language_ == Language::kNone && words.size() >= kProse) {
      std::string like = Squeeze(file_.target->MostLike(each.line, 0, target_.size()));
      const std::vector<size_t>& lines = target_.At(like);
      bool replaced =
          lines.size() == 1 && lines[0] >= each.part->begin && lines[0] < each.part->end;
      if (!like.empty() && !lines.empty() && !replaced && target_.Count(like) > base_.Count(like)) {
        found = lines.front();
        best = Alike(words, SubWords(file_.target->text[found]));
      }
    }
    // A statement of many words is told apart in all of its function.
    bool statement = language_ == Language::kC && EndsWith(Trim(each.line), ";");
    size_t near = statement && words.size() >= kMany ? kFunction : kLines;
    size_t begin = each.at > near ? each.at - near : 0,
           end = std::min(target_.size(), each.part->end + near);
    if (near == kFunction) {
      const Scope* scope = ScopeAt(file_.target->scopes, each.at > 0 ? each.at - 1 : 0);
      bool function = scope && scope->kind == Scope::Kind::kFunction;
      begin = std::max(begin, function ? scope->head : each.at - std::min(each.at, kLines));
      end = std::min(end, function ? scope->end : each.part->end + kLines);
    }
    for (size_t i = begin; i < end; ++i) {
      if (i >= each.part->begin && i < each.part->end) continue;
      std::string squeezed = Squeeze(file_.target->text[i]);
      if (!IsSignificant(file_.target->text[i]) || target_.Count(squeezed) <= base_.Count(squeezed))
        continue;
      double like = Alike(words, SubWords(file_.target->text[i]));
      if (like > best) best = like, found = i;
    }
    if (best < kSame) continue;
    // If other lines of the base are equally similar, it is not evidence.
    const Edit* edit = EditOf(*each.part);
    double sibling = 0;
    if (edit) {
      size_t from = edit->begin > kLines ? edit->begin - kLines : 0,
             to = std::min(base_.size(), edit->end + kLines);
      for (size_t i = from; i < to; ++i)
        if ((i < edit->begin || i >= edit->end) &&
            comment(file_.base->text[i]) == comment(each.line))
          sibling = std::max(sibling, Alike(words, SubWords(file_.base->text[i])));
      for (const Edit& other : hunk_->hunk->edits)
        for (std::string_view line : other.added)
          if (Squeeze(line) != Squeeze(each.line))
            sibling = std::max(sibling, Alike(words, SubWords(line)));
      // What it replaces is like it, of course; the target's line may be its successor.
    }
    if (best < sibling + 0.1) continue;
    return "the target already has " + Quote(file_.target->text[found]) + " at line " +
           std::to_string(found + 1) + ", which is nearly " + Quote(each.line);
  }
  return {};
}

/// Many of its lines are in the target, somewhere.
std::string Auditor::Share(const std::vector<Added>& added) const {
  constexpr size_t kTelling = 15;
  size_t all = 0, there = 0, first = kNowhere;
  for (const Added& each : added) {
    std::string line = Squeeze(each.line);
    if (line.size() < kTelling || !IsSignificant(each.line)) continue;
    ++all;
    if (target_.Count(line) > base_.Count(line) && base_.Count(line) == 0) {
      ++there;
      first = std::min(first, target_.At(line).front());
    }
  }
  if (all < 3 || there * 5 < all * 2) return {};
  return "the target has " + std::to_string(there) + " of the " + std::to_string(all) +
         " lines that it adds, from line " + std::to_string(first + 1) + " of " +
         file_.target->path;
}

}  // namespace restack
