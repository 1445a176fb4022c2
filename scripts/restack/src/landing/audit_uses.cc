// SPDX-License-Identifier: GPL-2.0-or-later
// Questions about what uses the names that the hunk defines, removes or frees.
#include <algorithm>

#include "auditor.h"
#include "words.h"

namespace restack {

using Kind = Definition::Kind;

/// What it defines is used by nothing, or what it no longer defines is still used.
std::string Auditor::Used(const std::vector<Added>&) const {
  if (language_ != Language::kC) return {};
  for (const Definition* each : Made()) {
    const Definition& made = *each;
    if (hunk_->conflict || !made.hidden) continue;
    // A conflict uses it: then it waits for that one, if it is in its own function.
    if (file_.open.count(made.name) && (made.kind != Kind::kLocal || InItsFunction(made.line)))
      continue;
    if (made.kind == Kind::kMember || made.kind == Kind::kEntry) continue;
    bool local = made.kind == Kind::kLocal;
    if (after_.Word(made.name) < 2 || (!local && target_.HasWord(made.name))) continue;
    if (local ? Alone(made) : landed_.Word(made.name) == 1)
      return "nothing in " + file_.target->path + " uses " + made.name +
             ", which it defines: what does is not landed, or is written otherwise there";
  }
  std::vector<const Definition*> removed;
  const auto& before = base_.definitions();
  for (const Edit& edit : hunk_->hunk->edits)
    for (auto at =
             std::partition_point(before.begin(), before.end(),
                                  [&](const Definition& each) { return each.line < edit.begin; });
         at != before.end() && at->line < edit.end; ++at)
      removed.push_back(&*at);
  for (const Definition* each : removed) {
    const Definition& old = *each;
    if (old.kind != Kind::kLocal && old.kind != Kind::kLabel && !old.hidden) continue;
    if (old.kind == Kind::kMember || old.kind == Kind::kEntry) continue;
    if (landed_.Defined(old.key) > 0) continue;  // StillThere() reports it
    if (target_.Defined(old.key) == 0) continue;
    // The patch may define it again in a hunk that is not landed.
    bool again = after_.Defined(old.key) > 0;
    if ((again || Uses(after_, file_.after, old) == 0) && Uses(landed_, landed_.text(), old) > 0)
      return "it removes " + old.name + ", which " + file_.target->path + " still uses" +
             (again ? ": what defines it again is not landed" : "");
  }
  return {};
}

/// A local that its function names once.
bool Auditor::Alone(const Definition& local) const {
  const Scope* scope = ScopeAt(landed_.scopes(), local.line);
  if (!scope || scope->kind != Scope::Kind::kFunction) return false;
  size_t uses = 0;
  for (size_t i = scope->head; i < std::min(scope->end, landed_.size()); ++i)
    for (std::string_view word : CodeWords(landed_.text()[i])) uses += word == local.name;
  return uses == 1;
}

bool Auditor::InItsFunction(size_t line) const {
  const Scope* there = ScopeAt(landed_.scopes(), line);
  for (const Edit& edit : hunk_->hunk->edits)
    if (const Scope* here = ScopeAt(file_.base->scopes, edit.begin > 0 ? edit.begin - 1 : 0);
        here && there && here->name == there->name)
      return true;
  return false;
}

/// How often a name is used in the scope that it was defined in.
size_t Auditor::Uses(const FileFacts& facts, const Text& text, const Definition& of) const {
  const Scope* scope = ScopeAt(file_.base->scopes, of.line);
  if (of.kind != Kind::kLocal && of.kind != Kind::kLabel) return facts.Word(of.name);
  if (!scope) return 0;
  auto same = facts.FindScopes(scope->kind, scope->name);
  size_t uses = 0;
  for (const Scope* each : same)
    for (size_t i = each->head; i < std::min(each->end, text.size()); ++i)
      for (std::string_view word : CodeWords(text[i])) {
        if (word != of.name) continue;
        size_t at = static_cast<size_t>(word.data() - text[i].data());
        bool member = at > 0 && (text[i][at - 1] == '.' || text[i][at - 1] == '>');
        uses += !member;
      }
  return uses;
}

/// It frees what the target's function still uses behind it, and the patch's own does not.
std::string Auditor::FreedThenUsed(const std::vector<Added>& added) const {
  if (language_ != Language::kC) return {};
  // The lines behind `line` in its function that name `name`, up to one that assigns to it.
  auto uses = [](const FileFacts& facts, size_t line, std::string_view name) -> size_t {
    const Scope* scope = ScopeAt(facts.scopes(), line);
    if (!scope || scope->kind != Scope::Kind::kFunction) return 0;
    for (size_t i = line + 1; i < std::min(scope->end, facts.size()); ++i) {
      std::string_view text = facts.text()[i];
      for (std::string_view word : CodeWords(text)) {
        if (word != name) continue;
        size_t end = static_cast<size_t>(word.data() - text.data()) + word.size();
        std::string_view rest = Trim(text.substr(end));
        bool sets = StartsWith(rest, "=") && !StartsWith(rest, "==");
        return sets ? 0 : i + 1;
      }
    }
    return 0;
  };
  for (const Added& each : added) {
    std::set<std::string> words = SubWords(each.line.substr(0, each.line.find('(')));
    if (!words.count("free") && !words.count("unref") && !words.count("destroy")) continue;
    std::vector<std::string_view> names = Arguments(each.line);
    const Edit* edit = EditOf(*each.part);
    auto begin = begins_.find(each.part);
    if (names.size() != 1 || !edit || begin == begins_.end()) continue;
    size_t here = after_.Nearest(Squeeze(each.line), edit->begin);
    size_t there = landed_.Nearest(Squeeze(each.line), begin->second.first);
    if (here == kNowhere || there == kNowhere || uses(after_, here, names[0]) > 0) continue;
    if (size_t line = uses(landed_, there, names[0]))
      return "it frees " + std::string(names[0]) + ", which " + file_.target->path +
             " still uses behind it: " + Quote(landed_.text()[line - 1]);
  }
  return {};
}

/// It only serves other hunks of the patch, and those are not landed: an #include, or a definition
/// that nothing else names. Hunks that only need an edit will need it still.
std::string Auditor::ServesOpen(const std::vector<Added>& added) const {
  if (language_ != Language::kC || hunk_->conflict || added.empty()) return {};
  auto include = [](std::string_view line) {
    return IsBlank(line) || StartsWith(Trim(line), "#include");
  };
  auto only_includes = [&](const AuditedHunk& hunk) {
    for (const Edit& edit : hunk.hunk->edits)
      if (edit.begin != edit.end || !std::all_of(edit.added.begin(), edit.added.end(), include))
        return false;
    return true;
  };
  if (file_.others_open && !file_.others_need_edit &&
      std::all_of(file_.hunks.begin(), file_.hunks.end(), only_includes))
    return "the other hunks of its patch in " + file_.base->path +
           ", which need what it includes, are not landed";
  std::string open;
  for (const Definition* made : Made()) {
    if (made->kind == Kind::kLocal || made->kind == Kind::kLabel || made->kind == Kind::kCase ||
        made->kind == Kind::kEntry || made->kind == Kind::kMember)
      continue;
    if (made->hidden) return {};  // Used() handles it: it waits for its user
    if (file_.used.count(made->name) || target_.HasWord(made->name)) return {};
    if (after_.Word(made->name) > 1 && landed_.Word(made->name) > 1) return {};
    if (open.empty() && file_.patch_open.count(made->name)) open = made->name;
  }
  if (open.empty()) return {};
  return "what uses " + open + ", which it defines, is not landed";
}

}  // namespace restack
