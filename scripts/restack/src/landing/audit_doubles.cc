// SPDX-License-Identifier: GPL-2.0-or-later
// Questions about what the target has already.
#include "auditor.h"

#include <algorithm>

#include "words.h"

namespace restack {

using Kind = Definition::Kind;

/// The target has all lines that the hunk adds, as often as the patch leaves them in its file, in
/// their order and near each other, and none of those that it removes.
bool Auditor::Whole() const {
  constexpr size_t kTelling = 30;
  size_t size = 0;
  for (const Edit& edit : hunk_->hunk->edits) {
    std::vector<std::string> lines;
    for (std::string_view line : edit.added)
      if (IsSignificant(line)) lines.push_back(Squeeze(line));
    for (size_t i = edit.begin; i < edit.end; ++i) {
      std::string line = Squeeze(file_.base->text[i]);
      if (IsSignificant(file_.base->text[i]) && target_.Count(line) > after_.Count(line))
        return false;
    }
    for (const std::string& line : lines) {
      if (target_.Count(line) < after_.Count(line)) return false;
      size += line.size();
    }
    if (!lines.empty() && !InOrder(lines)) return false;
  }
  return size >= kTelling;
}

/// The same, for lines that the target has gained and that are not there by accident.
bool Auditor::WholeByItself() const {
  constexpr size_t kTelling = 15;
  size_t gained = 0;
  for (const Edit& edit : hunk_->hunk->edits)
    for (std::string_view each : edit.added) {
      std::string line = Squeeze(each);
      if (!IsSignificant(each) || line.size() < kTelling) continue;
      if (target_.Count(line) > base_.Count(line))
        ++gained;
      else if (base_.Count(line) == 0)
        return false;
    }
  return gained >= 2 && Whole();
}

/// Its parts put lines where the target has the same lines already, but for blank ones.
bool Auditor::NoChange() const {
  bool significant = false;
  for (const Edit& edit : hunk_->hunk->edits)
    for (std::string_view line : edit.added) significant = significant || IsSignificant(line);
  if (!significant || hunk_->parts.empty()) return false;
  std::vector<const Replacement*> parts = hunk_->parts;
  std::sort(parts.begin(), parts.end(),
            [](const Replacement* a, const Replacement* b) { return a->begin < b->begin; });
  Lines before, after;
  const Lines& lines = file_.target->text.lines();
  auto add = [](Lines& to, std::string_view line) {
    if (!IsBlank(line)) to.push_back(line);
  };
  size_t at = parts.front()->begin;
  for (const Replacement* part : parts) {
    if (part->begin < at) return false;
    for (; at < part->begin; ++at) add(before, lines[at]), add(after, lines[at]);
    for (; at < part->end; ++at) add(before, lines[at]);
    for (std::string_view line : SplitLines(part->text)) add(after, line);
  }
  return before == after;
}

/// What stands between the first parenthesis of a line and the last.
static std::string_view InParentheses(std::string_view line) {
  size_t open = line.find('('), close = line.rfind(')');
  return open == std::string_view::npos || close < open ? std::string_view()
                                                        : line.substr(open + 1, close - open - 1);
}

/// The target already has a condition beside the place that asks for something the hunk asks for,
/// too, and that nothing there asked for before.
std::string Auditor::CheckedAlready(const std::vector<Added>& added) const {
  if (language_ != Language::kC) return {};
  constexpr size_t kLines = 8, kWord = 4, kTelling = 8;
  auto condition = [](std::string_view line) {
    line = Trim(line);
    return StartsWith(line, "if") || StartsWith(line, "else if") || StartsWith(line, "while") ||
           line.find("&&") != std::string_view::npos || line.find("||") != std::string_view::npos;
  };
  for (const Added& each : added) {
    const Edit* edit = EditOf(*each.part);
    if (!edit) continue;
    bool asks = std::any_of(edit->added.begin(), edit->added.end(), condition);
    if (!asks) continue;
    size_t begin = each.part->begin > kLines ? each.part->begin - kLines : 0,
           from = edit->begin > kLines ? edit->begin - kLines : 0;
    for (size_t i = begin; i < std::min(target_.size(), each.part->begin); ++i) {
      std::string_view line = file_.target->text[i];
      std::string there = Squeeze(InParentheses(line));
      if (!condition(line) || there.size() < kTelling ||
          Squeeze(each.line).find(there) == std::string::npos)
        continue;
      // In the base it is neither above the place nor in what is replaced there.
      bool before = false;
      for (size_t k = from; k < edit->end; ++k)
        before = before || Squeeze(file_.base->text[k]).find(there) != std::string::npos;
      if (!before)
        return "the target already has " + Quote(line) + " at line " + std::to_string(i + 1) +
               ", which asks what " + Quote(each.line) + " asks";
    }
    std::set<std::string_view> known;
    for (size_t i = from; i < std::min(base_.size(), edit->end + kLines); ++i)
      for (std::string_view word : CodeWords(file_.base->text[i])) known.insert(word);
    std::set<std::string_view> asked;
    for (std::string_view word : CodeWords(each.line))
      if (word.size() >= kWord && !known.count(word)) asked.insert(word);
    if (asked.empty()) continue;
    for (size_t i = begin; i < std::min(target_.size(), each.part->end + kLines); ++i) {
      std::string_view line = file_.target->text[i];
      std::string squeezed = Squeeze(line);
      if (!condition(line) || target_.Count(squeezed) <= base_.Count(squeezed)) continue;
      if (i >= each.part->begin && i < each.part->end) continue;
      for (std::string_view word : CodeWords(line))
        if (asked.count(word))
          return "the target already has " + Quote(line) + " at line " + std::to_string(i + 1) +
                 ", which may check the same as " + Quote(each.line);
    }
  }
  return {};
}

bool Auditor::InOrder(const std::vector<std::string>& lines) const {
  for (size_t first : target_.At(lines.front())) {
    size_t at = first, found = 1;
    size_t most = first + 2 * lines.size() + 6;
    for (; found < lines.size(); ++found) {
      size_t next = target_.Next(lines[found], at + 1);
      if (next == kNowhere || next > most) break;
      at = next;
    }
    if (found == lines.size()) return true;
  }
  return false;
}

/// The target has gained a line that the hunk adds, and would have it twice.
std::string Auditor::Doubled(const std::vector<Added>& added) const {
  constexpr size_t kAnywhere = 28, kNear = 12, kLines = 25, kOften = 3;
  // What the hunk moves, it leaves as often as it was.
  std::set<std::string> removed;
  for (const Edit& edit : hunk_->hunk->edits)
    for (size_t i = edit.begin; i < edit.end; ++i)
      if (IsSignificant(file_.base->text[i])) removed.insert(Squeeze(file_.base->text[i]));
  for (const Added& each : added) {
    if (!IsSignificant(each.line)) continue;
    std::string line = Squeeze(each.line);
    if (removed.count(line) && base_.Count(line) >= after_.Count(line) &&
        landed_.Count(line) > target_.Count(line))
      return "it moves " + Quote(each.line) + ", which the target has elsewhere, at line " +
             std::to_string(target_.At(line).empty() ? 0 : target_.Nearest(line, each.at) + 1);
    if (!Gained(line) || !Finished(each)) continue;
    bool include = StartsWith(line, "#include");
    bool only = after_.Count(line) == 1;
    size_t nearest = target_.Nearest(line, each.at);
    size_t distance = nearest > each.at ? nearest - each.at : each.at - nearest;
    bool flow = Flow(line);
    bool telling = include || (only && line.size() >= kAnywhere && !flow) ||
                   (distance <= kLines && after_.Count(line) <= kOften &&
                    line.size() >= (flow ? kAnywhere : kNear));
    if (!telling) continue;
    // In two functions, the same statement may be meant twice.
    if (!include && !SameScope(nearest, each.at) && line.size() < 40) continue;
    return "the target already has " + Quote(each.line) + " by itself, at line " +
           std::to_string(nearest + 1) + " of " + file_.target->path;
  }
  return {};
}

/// The first line of a call of several, or of a head, may be anywhere: only with the next one it
/// says something.
bool Auditor::Finished(const Added& each) const {
  if (language_ != Language::kC) return true;
  std::string_view code = Trim(each.line);
  if (code[0] == '#' || code[0] == '*' || code[0] == '/') return true;
  if (EndsWith(code, ";") || EndsWith(code, "}") || EndsWith(code, "},")) return true;
  const Scope* scope = ScopeAt(file_.target->scopes, each.at > 0 ? each.at - 1 : 0);
  if (EndsWith(code, ",") && scope && scope->kind != Scope::Kind::kFunction) return true;
  Lines lines = SplitLines(each.part->text);
  for (size_t i = 0; i + 1 < lines.size(); ++i) {
    if (lines[i] != each.line) continue;
    std::string next = Squeeze(lines[i + 1]);
    for (size_t at : target_.At(Squeeze(each.line)))
      if (at + 1 < target_.size() && Squeeze(file_.target->text[at + 1]) == next &&
          target_.Count(next) > base_.Count(next))
        return true;
  }
  return false;
}

bool Auditor::Gained(const std::string& line) const {
  return target_.Count(line) > base_.Count(line) && landed_.Count(line) > after_.Count(line) &&
         landed_.Count(line) > target_.Count(line);
}

/// Lists of words: a name that the list already has in another line.
std::string Auditor::Words(const std::vector<Added>& added) const {
  if (language_ != Language::kMake && language_ != Language::kMeson) return {};
  for (const Added& each : added) {
    if (each.line[0] == '\t' && language_ == Language::kMake && EndsWith(Trim(each.line), ";"))
      continue;
    for (std::string_view word : ListWords(each.line)) {
      if (word.size() < 6 || word.find_first_of("$(=") != std::string_view::npos) continue;
      if (after_.List(word) != 1 || base_.List(word) != 0 || target_.List(word) == 0) continue;
      return "the target already has `" + std::string(word) + "` by itself, in " +
             file_.target->path;
    }
  }
  return {};
}

/// A lock that is held, or a thing that is freed, by another line that the target already has.
std::string Auditor::Held(const std::vector<Added>& added) const {
  if (language_ != Language::kC) return {};
  for (const Added& each : added) {
    std::set<std::string> words = SubWords(each.line);
    for (const auto& family : Families()) {
      if (!Any(words, family)) continue;
      std::vector<std::string_view> names = Arguments(each.line);
      if (names.empty()) continue;
      const Scope* scope = ScopeAt(file_.target->scopes, each.at > 0 ? each.at - 1 : 0);
      if (!scope || scope->kind != Scope::Kind::kFunction) continue;
      for (size_t i = scope->head; i < std::min(scope->end, file_.target->text.size()); ++i) {
        std::string_view line = file_.target->text[i];
        std::string squeezed = Squeeze(line);
        if (target_.Count(squeezed) <= base_.Count(squeezed)) continue;
        if (!Any(SubWords(line), family)) continue;
        std::vector<std::string_view> there = CodeWords(line);
        for (std::string_view name : names)
          if (std::find(there.begin(), there.end(), name) != there.end())
            return "the target already has " + Quote(line) + " at line " + std::to_string(i + 1) +
                   ", which may do what " + Quote(each.line) + " does";
      }
    }
  }
  return {};
}

const std::vector<std::set<std::string>>& Auditor::Families() {
  static const std::vector<std::set<std::string>> kFamilies = {
      {"lock", "unlock", "mutex", "guard", "acquire"},
      {"free", "unref", "autofree", "autoptr", "autoclose", "cleanup", "destroy", "release", "put",
       "dispose", "clear", "close", "freep", "unrefp"}};
  return kFamilies;
}

bool Auditor::Any(const std::set<std::string>& words, const std::set<std::string>& family) {
  return std::any_of(family.begin(), family.end(),
                     [&](const std::string& word) { return words.count(word) > 0; });
}

/// The last words of the arguments of a call: `l->lock` gives lock, `s` gives s.
std::vector<std::string_view> Auditor::Arguments(std::string_view line) {
  size_t open = line.find('('), close = line.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) return {};
  std::vector<std::string_view> names;
  std::vector<std::string_view> words = CodeWords(line.substr(open + 1, close - open - 1));
  for (std::string_view word : words)
    if (word != "NULL" && word != "self" && word != "this") names.push_back(word);
  if (names.size() > 2) names.clear();
  // `lock->x`: only what is locked itself
  if (names.size() == 2) names.erase(names.begin());
  return names;
}

}  // namespace restack
