// SPDX-License-Identifier: GPL-2.0-or-later
#include "auditor.h"

#include <algorithm>

namespace restack {

std::map<size_t, Finding> Auditor::Run() {
  same_ = file_.base->text.bytes() == file_.target->text.bytes();
  std::map<size_t, Finding> findings;
  for (const AuditedHunk& hunk : file_.hunks) {
    hunk_ = &hunk;
    if (std::optional<Finding> finding = Judge()) findings[hunk.index] = std::move(*finding);
  }
  return findings;
}

/// The target with all parts; where each part begins in it.
Text Auditor::Landed() {
  std::vector<const Replacement*> parts;
  for (const AuditedHunk& hunk : file_.hunks)
    parts.insert(parts.end(), hunk.parts.begin(), hunk.parts.end());
  std::stable_sort(parts.begin(), parts.end(), [](const Replacement* a, const Replacement* b) {
    return a->begin != b->begin ? a->begin < b->begin : a->end < b->end;
  });
  const Lines& lines = file_.target->text.lines();
  std::string text;
  size_t at = 0, line = 0;
  for (const Replacement* part : parts) {
    if (part->begin < at) continue;
    line += part->begin - at;
    text += Join(lines, at, part->begin);
    size_t size = SplitLines(part->text).size();
    begins_[part] = {line, line + size};
    text += part->text;
    line += size;
    at = part->end;
  }
  text += Join(lines, at);
  return Text(std::move(text));
}

std::vector<Auditor::Added> Auditor::AddedLines() const {
  std::vector<Added> added;
  for (const Replacement* part : hunk_->parts) {
    std::set<std::string> replaced;
    for (size_t i = part->begin; i < part->end; ++i)
      replaced.insert(Squeeze(file_.target->text[i]));
    for (std::string_view line : SplitLines(part->text))
      if (!replaced.count(Squeeze(line))) added.push_back({line, part->begin, part});
  }
  return added;
}

std::optional<Finding> Auditor::Judge() {
  std::vector<Added> added = AddedLines();
  if (same_) {  // nothing but what is elsewhere can be otherwise
    std::string reason = Gone(added);
    return reason.empty() ? std::nullopt : std::optional<Finding>({false, reason});
  }
  if (OnlyBlank(added)) return Finding{true, "all that it adds is in the target but a blank line"};
  if (!hunk_->conflict && hunk_->whole && (NoChange() || WholeByItself()))
    return Finding{true, Upstream()};
  // A person will look at the landed part of a conflict; only what would break the rest is taken
  // back.
  if (hunk_->conflict) {
    std::string reason = Place(added);
    if (reason.empty()) reason = Used(added);
    return reason.empty() ? std::nullopt : std::optional<Finding>({false, reason});
  }
  using Check = std::string (Auditor::*)(const std::vector<Added>&) const;
  for (Check check : {&Auditor::Place,          &Auditor::Balance,    &Auditor::LocalGone,
                      &Auditor::Elsewhere,      &Auditor::Doubled,    &Auditor::SameName,
                      &Auditor::NamedAlready,   &Auditor::OtherName,  &Auditor::InHead,
                      &Auditor::Words,          &Auditor::Held,       &Auditor::FreedThenUsed,
                      &Auditor::CheckedAlready, &Auditor::Misspelt,   &Auditor::NearlySame,
                      &Auditor::Share,          &Auditor::StillThere, &Auditor::Gone,
                      &Auditor::Used,           &Auditor::ServesOpen, &Auditor::Subject}) {
    std::string reason = (this->*check)(added);
    if (reason.empty()) continue;
    if (hunk_->whole && Whole()) return Finding{true, Upstream()};
    bool place = check == &Auditor::Place || check == &Auditor::Balance;
    bool name = check == &Auditor::LocalGone || check == &Auditor::Gone;
    return Finding{false, reason, place || name};
  }
  return std::nullopt;
}

std::string Auditor::Upstream() const {
  for (const Edit& edit : hunk_->hunk->edits)
    for (std::string_view line : edit.added)
      if (IsSignificant(line) && !target_.At(Squeeze(line)).empty())
        return "the target has its lines, from line " +
               std::to_string(target_.At(Squeeze(line)).front() + 1) + " of " + file_.target->path;
  return "the target has made the same change";
}

/// Nothing is left of the hunk but blank lines.
bool Auditor::OnlyBlank(const std::vector<Added>& added) const {
  if (hunk_->conflict) return false;
  for (const Added& each : added)
    if (!IsBlank(each.line)) return false;
  for (const Replacement* part : hunk_->parts)
    for (size_t i = part->begin; i < part->end; ++i)
      if (!IsBlank(file_.target->text[i])) return false;
  for (const Edit& edit : hunk_->hunk->edits)
    for (std::string_view line : edit.added)
      if (IsSignificant(line)) return true;
  return false;
}

/// Where an edit begins in the file with all of the patch.
size_t Auditor::NewLine(const Edit& edit) const {
  if (edit.added.empty()) return edit.begin;
  std::string first = Squeeze(edit.added.front());
  for (std::string_view line : edit.added)
    if (IsSignificant(line)) {
      first = Squeeze(line);
      break;
    }
  size_t at = after_.Nearest(first, edit.begin);
  return at == kNowhere ? edit.begin : at;
}

std::string Auditor::At(const Replacement& part) const {
  return "its place in " + file_.target->path + ", line " + std::to_string(part.begin + 1) + ", ";
}

/// The edit that a part is made of: the one that adds its first line.
const Edit* Auditor::EditOf(const Replacement& part) const {
  Lines lines = SplitLines(part.text);
  for (std::string_view line : lines) {
    if (IsBlank(line)) continue;
    for (const Edit& edit : hunk_->hunk->edits)
      for (std::string_view added : edit.added)
        if (Squeeze(added) == Squeeze(line)) return &edit;
  }
  return hunk_->hunk->edits.size() == 1 ? &hunk_->hunk->edits.front() : nullptr;
}

bool Auditor::Flow(std::string_view line) {
  for (std::string_view flow : {"return", "goto", "break", "continue", "if(", "else", "}else",
                                "for(", "while(", "assert", "case", "err", "ret"})
    if (StartsWith(line, flow)) return true;
  return false;
}

bool Auditor::SameScope(size_t a, size_t b) const {
  const Scope* first = ScopeAt(file_.target->scopes, a);
  const Scope* second = ScopeAt(file_.target->scopes, b > 0 ? b - 1 : 0);
  const Scope* third = ScopeAt(file_.target->scopes, b);
  return first == second || first == third;
}

/// What the hunk's parts define in the landed text.
std::vector<const Definition*> Auditor::Made() const {
  std::vector<const Definition*> made;
  const auto& all = landed_.definitions();
  for (const Replacement* part : hunk_->parts) {
    auto lines = begins_.find(part);
    if (lines == begins_.end()) continue;
    for (auto at = std::partition_point(
             all.begin(), all.end(),
             [&](const Definition& each) { return each.line < lines->second.first; });
         at != all.end() && at->line < lines->second.second; ++at)
      made.push_back(&*at);
  }
  return made;
}

/// Where the line is in the landed text.
size_t Auditor::LandedLine(const Added& each) const {
  auto begin = begins_.find(each.part);
  if (begin == begins_.end()) return kNowhere;
  size_t line = begin->second.first;
  for (std::string_view other : SplitLines(each.part->text)) {
    if (other.data() == each.line.data() || other == each.line) break;
    ++line;
  }
  return line;
}

bool Auditor::InComment(const Added& each) const {
  size_t line = LandedLine(each);
  return line < landed_.places().size() && landed_.places()[line].comment;
}

std::map<size_t, Finding> Audit(const AuditedFile& file, const Names& names) {
  return Auditor(file, names).Run();
}

}  // namespace restack
