// SPDX-License-Identifier: GPL-2.0-or-later
// Questions about the place of a hunk: a comment, a brace, a condition, a line that stays.
#include "auditor.h"

#include <algorithm>

namespace restack {

/// It opens or closes more conditions or braces than the patch does in its own file.
std::string Auditor::Balance(const std::vector<Added>&) const {
  if (language_ != Language::kC) return {};
  struct Open {
    long conditions = 0, braces = 0;
    void Add(std::string_view line, long sign) {
      std::string_view text = Trim(line);
      if (!text.empty() && text[0] == '#') {
        text = Trim(text.substr(1));
        if (StartsWith(text, "if")) conditions += sign;
        if (StartsWith(text, "endif")) conditions -= sign;
        return;
      }
      if (!StartsWith(text, "*") && !StartsWith(text, "/*")) braces += sign * OpenBraces(line);
    }
  } here, there;
  for (const Edit& edit : hunk_->hunk->edits) {
    for (std::string_view line : edit.added) here.Add(line, 1);
    for (size_t i = edit.begin; i < edit.end; ++i) here.Add(file_.base->text[i], -1);
  }
  for (const Replacement* part : hunk_->parts) {
    for (std::string_view line : SplitLines(part->text)) there.Add(line, 1);
    for (size_t i = part->begin; i < part->end; ++i) there.Add(file_.target->text[i], -1);
  }
  if (here.conditions != there.conditions)
    return "of what it changes, only a part is to be done in " + file_.target->path +
           ", which would leave an #if without its #endif";
  if (here.braces != there.braces && hunk_->whole)
    return "of what it changes, only a part is to be done in " + file_.target->path +
           ", which would leave a brace without the other one";
  return {};
}

/// A line goes from code into a comment or back, or out of its braces.
std::string Auditor::Place(const std::vector<Added>&) const {
  if (language_ != Language::kC) return AmongComments();
  const auto& here = base_.places();
  const auto& there = target_.places();
  for (const Replacement* part : hunk_->parts) {
    const Edit* edit = EditOf(*part);
    if (!edit || edit->begin >= here.size() || part->begin >= there.size()) continue;
    if (here[edit->begin].comment != there[part->begin].comment)
      return At(*part) + (there[part->begin].comment ? "is in a comment" : "is not in a comment") +
             ", as it was " + (there[part->begin].comment ? "not" : "before");
    auto remark = [](const Text& text, size_t above, size_t below) {
      return (above > 0 && StartsWith(Trim(text[above - 1]), "//")) ||
             (below < text.size() && StartsWith(Trim(text[below]), "//"));
    };
    if (!edit->added.empty() && StartsWith(Trim(edit->added.front()), "//") &&
        remark(file_.base->text, edit->begin, edit->end) &&
        !remark(file_.target->text, part->begin, part->end))
      return At(*part) + "is not among comment lines, as it was before";
    bool out = here[edit->begin].depth > 0, out_there = there[part->begin].depth > 0;
    bool blank = std::all_of(edit->added.begin(), edit->added.end(), IsBlank);
    if (out != out_there && !blank)
      return At(*part) + (out_there ? "is inside braces, which it was not"
                                    : "is outside of any braces; it was inside");
  }
  return {};
}

/// A line that is not a comment goes between comment lines.
std::string Auditor::AmongComments() const {
  auto comment = [](std::string_view line) {
    line = Trim(line);
    return !line.empty() && (line[0] == '#' || line[0] == ';');
  };
  auto among = [&](const Text& text, size_t begin, size_t end) {
    return begin > 0 && end < text.size() && comment(text[begin - 1]) && comment(text[end]);
  };
  for (const Replacement* part : hunk_->parts) {
    const Edit* edit = EditOf(*part);
    if (!edit || edit->begin != edit->end || part->begin != part->end) continue;
    bool code = std::any_of(edit->added.begin(), edit->added.end(), [&](std::string_view line) {
      return !IsBlank(line) && !comment(line);
    });
    if (code && among(file_.target->text, part->begin, part->end) &&
        !among(file_.base->text, edit->begin, edit->end))
      return At(*part) + "is among comment lines, which it was not before";
  }
  return {};
}

/// A line that the hunk takes out of its file for good is still in the target's.
std::string Auditor::StillThere(const std::vector<Added>&) const {
  constexpr size_t kTelling = 12;
  for (const Edit& edit : hunk_->hunk->edits)
    for (size_t i = edit.begin; i < edit.end; ++i) {
      std::string line = Squeeze(file_.base->text[i]);
      if (line.size() < kTelling || !IsSignificant(file_.base->text[i]) || Flow(line)) continue;
      if (base_.Count(line) != 1 || after_.Count(line) != 0 || landed_.Count(line) == 0) continue;
      // It is gone from the place of the hunk; it may be elsewhere for another reason.
      bool taken = landed_.Count(line) < target_.Count(line);
      if (taken && !SameScope(target_.At(line).front(), target_.At(line).back())) continue;
      return "the line " + Quote(file_.base->text[i]) + " that it removes is still in " +
             file_.target->path + ", at line " + std::to_string(landed_.At(line).front() + 1);
    }
  return {};
}

/// A comment that is changed, above a line that the target has otherwise.
std::string Auditor::Subject(const std::vector<Added>&) const {
  if (language_ != Language::kC) return {};
  for (const Edit& edit : hunk_->hunk->edits) {
    if (edit.begin == edit.end || edit.added.empty()) continue;
    auto comment = [](std::string_view line) {
      line = Trim(line);
      return line.empty() || line[0] == '*' || StartsWith(line, "/*") || StartsWith(line, "//");
    };
    if (!std::all_of(edit.added.begin(), edit.added.end(), comment)) continue;
    bool all = true, some = false;
    for (size_t i = edit.begin; i < edit.end; ++i) {
      all = all && comment(file_.base->text[i]);
      some = some || IsSignificant(file_.base->text[i]);
    }
    if (!all || !some || edit.end >= base_.size()) continue;
    std::string_view next = file_.base->text[edit.end];
    if (!IsSignificant(next) || comment(next)) continue;
    if (target_.Count(Squeeze(next)) == 0)
      return "it changes the comment of " + Quote(next) + ", which is not in " + file_.target->path;
  }
  return {};
}

}  // namespace restack
