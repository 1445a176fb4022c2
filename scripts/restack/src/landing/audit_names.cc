// SPDX-License-Identifier: GPL-2.0-or-later
// Questions about the names that a hunk defines and uses.
#include "auditor.h"

#include <algorithm>

#include "words.h"

namespace restack {

using Kind = Definition::Kind;

/// It uses a local or an argument that the function of the target does not have.
std::string Auditor::LocalGone(const std::vector<Added>& added) const {
  if (language_ != Language::kC) return {};
  for (const Added& each : added) {
    const Edit* edit = EditOf(*each.part);
    if (!edit) continue;
    const Scope* here = ScopeAt(after_.scopes(), NewLine(*edit));
    const auto lines = begins_.find(each.part);
    if (!here || here->kind != Scope::Kind::kFunction || lines == begins_.end()) continue;
    size_t first = lines->second.first;
    for (std::string_view line : SplitLines(each.part->text)) {
      if (IsSignificant(line)) break;
      ++first;
    }
    const Scope* there = ScopeAt(landed_.scopes(), std::min(first, lines->second.second));
    if (!there || there->kind != Scope::Kind::kFunction || InComment(each)) continue;
    std::set<std::string, std::less<>> known = Locals(after_, *here);
    std::set<std::string, std::less<>> has = Locals(landed_, *there);
    for (std::string_view word : CodeWords(each.line)) {
      size_t at = static_cast<size_t>(word.data() - each.line.data());
      bool member = at > 0 && (each.line[at - 1] == '.' || each.line[at - 1] == '>');
      if (member || !known.count(word)) continue;
      if (has.count(word)) {
        size_t now = LandedLine(each), then = after_.Nearest(Squeeze(each.line), edit->begin);
        if (then == kNowhere || now == kNowhere || !Visible(after_, *here, then, word) ||
            Visible(landed_, *there, now, word))
          continue;
        return "it uses " + std::string(word) + ", which " + there->Title() + " of " +
               file_.target->path + " declares in another block";
      }
      // The function there uses that name as well, whatever it is.
      bool named = false;
      for (const Scope* same : file_.target->Find(there->kind, there->name))
        for (size_t i = same->head; i < same->end; ++i)
          for (std::string_view other : CodeWords(file_.target->text[i]))
            named = named || other == word;
      // The patch has removed a local of the target.
      if (named && !WasLocal(*there, word)) continue;
      // It may be anything else there: a global, a macro.
      if (!named && target_.HasWord(word) && !Within(file_.base->text, *edit, word)) continue;
      return "it uses " + std::string(word) + ", a local of " + here->Title() + ", which " +
             there->Title() + " of " + file_.target->path + " does not have";
    }
  }
  return {};
}

/// Whether a declaration of the local, or an argument, is in a block that is open at the line. A
/// name that anything else has is visible, too.
bool Auditor::Visible(const FileFacts& facts, const Scope& scope, size_t line,
                      std::string_view name) const {
  for (size_t i = scope.head; i < std::min(scope.body, facts.size()); ++i)
    for (std::string_view word : CodeWords(facts.text()[i]))
      if (word == name) return true;
  const std::vector<LexPlace>& places = facts.places();
  for (const Definition& each : facts.definitions()) {
    if (each.name != name || each.kind == Kind::kMember) continue;
    if (each.kind != Kind::kLocal) return true;
    if (each.line < scope.head || each.line > line) continue;
    bool open = true;
    // There is a place behind the last line, too.
    for (size_t i = each.line + 1; i < std::min(line + 1, facts.size()); ++i) {
      long depth = static_cast<long>(places[i].depth) - StartsWith(Trim(facts.text()[i]), "}");
      open = open && depth >= static_cast<long>(places[each.line].depth);
    }
    if (open) return true;
  }
  return false;
}

bool Auditor::WasLocal(const Scope& landed, std::string_view word) const {
  for (const Scope* same : target_.FindScopes(landed.kind, landed.name))
    if (Locals(target_, *same).count(word)) return true;
  return false;
}

/// The base's function of the edit has the word already.
bool Auditor::Within(const Text& text, const Edit& edit, std::string_view word) const {
  const Scope* scope = ScopeAt(file_.base->scopes, edit.begin > 0 ? edit.begin - 1 : 0);
  if (!scope) return false;
  for (size_t i = scope->head; i < std::min(scope->end, text.size()); ++i)
    for (std::string_view other : CodeWords(text[i]))
      if (other == word) return true;
  return false;
}

std::set<std::string, std::less<>> Auditor::Locals(const FileFacts& facts,
                                                   const Scope& scope) const {
  std::set<std::string, std::less<>> names;
  const auto& all = facts.definitions();
  for (auto at = std::partition_point(
           all.begin(), all.end(), [&](const Definition& each) { return each.line < scope.head; });
       at != all.end() && at->line < scope.end; ++at)
    if (at->kind == Kind::kLocal) names.insert(at->name);
  // The head: names of arguments, and more that does no harm.
  for (size_t i = scope.head; i < std::min(scope.body, facts.size()); ++i)
    for (std::string_view word : CodeWords(facts.text()[i])) names.emplace(word);
  return names;
}

/// It defines a function that the target has moved to another file.
std::string Auditor::Elsewhere(const std::vector<Added>& added) const {
  if (language_ != Language::kC || added.empty()) return {};
  for (const Definition* made : Made()) {
    if (made->kind == Kind::kDeclaration && !target_.HasWord(made->name) &&
        !names_.in_base(made->name))
      for (const std::string& path : names_.files(made->name))
        return "the target has " + made->name + "() in " + path + ", and declares it elsewhere";
    if (made->kind != Kind::kFunction || made->hidden) continue;
    if (target_.Defined(made->key) > 0 || !base_.HasWord(made->name)) continue;
    for (const std::string& path : names_.files(made->name))
      if (path != file_.target->path &&
          path.substr(path.rfind('.')) ==
              file_.target->path.substr(
                  std::min(file_.target->path.rfind('.'), file_.target->path.size())))
        return "the target has " + made->name + "() in " + path;
  }
  return {};
}

/// The target has a thing of that name, which the base had not.
std::string Auditor::SameName(const std::vector<Added>& added) const {
  if (added.empty()) return {};
  std::vector<const Definition*> all = Made();
  for (const Definition* each : all) {
    const Definition& made = *each;
    if (landed_.Defined(made.key) <= after_.Defined(made.key)) continue;
    if (landed_.Defined(made.key) <= target_.Defined(made.key)) continue;
    if (target_.Defined(made.key) <= base_.Defined(made.key)) continue;
    size_t line = target_.LineOf(made.key);
    return file_.target->path + " of the target has " + made.name + " of its own, at line " +
           std::to_string(line + 1) + ": " + Quote(file_.target->text[line]);
  }
  // A prototype is not a definition, but one name has one type.
  for (const Definition* each : all) {
    const Definition& made = *each;
    if (made.kind != Kind::kFunction && made.kind != Kind::kType && made.kind != Kind::kVariable &&
        made.kind != Kind::kMacro)
      continue;
    for (const Definition& other : target_.definitions())
      if (other.name == made.name && other.kind != made.kind && other.kind <= Kind::kVariable &&
          other.kind != Kind::kDeclaration && !base_.HasWord(made.name) && other.key[0] != '/')
        return file_.target->path + " of the target has " + made.name +
               " as another thing, at line " + std::to_string(other.line + 1) + ": " +
               Quote(file_.target->text[other.line]);
  }
  return {};
}

/// The name in a line at file scope that is a macro with one name: EXPORT_SYMBOL(name);
static std::string_view Exported(std::string_view line) {
  std::string_view macro = WordAt(line, 0), rest = line.substr(macro.size());
  if (macro.find("EXPORT") == std::string_view::npos || !StartsWith(rest, "(")) return {};
  std::string_view name = WordAt(rest, 1);
  return StartsWith(rest.substr(1 + name.size()), ")") ? name : std::string_view();
}

/// It uses a name that the base defines and the target no longer has.
std::string Auditor::Gone(const std::vector<Added>& added) const {
  if (language_ != Language::kC) return {};
  const std::string& path = file_.target->path;
  if (EndsWith(path, ".dts") || EndsWith(path, ".dtsi") || EndsWith(path, ".dtso")) return {};
  for (const Added& each : added) {
    std::string_view text = Trim(each.line);
    if (text.empty() || text[0] == '*' || text[0] == '#' || StartsWith(text, "/*") ||
        StartsWith(text, "//") || InComment(each))
      continue;
    if (std::string_view name = Exported(each.line); !name.empty()) {
      const std::string function(name);
      std::vector<std::string> files = names_.files(function);
      if (!names_.in_base(function) || target_.HasWord(name) || Defines(function)) continue;
      return "it exports " + function + "(), which the target " +
             (files.empty() ? "no longer has" : "has in " + files.front());
    }
    for (std::string_view word : CodeWords(each.line)) {
      if (word.size() < 4) continue;
      std::string name(word);
      size_t at = static_cast<size_t>(word.data() - each.line.data()) + word.size();
      std::string_view rest = Trim(each.line.substr(at));
      bool called = StartsWith(rest, "(");
      if (called && names_.in_base(name) && !names_.in_target(name) && !target_.HasWord(name) &&
          !Defines(name))
        return "it uses " + name + "(), which the base defines and the target no longer has";
    }
  }
  return {};
}

bool Auditor::Defines(const std::string& name) const {
  const auto& all = landed_.definitions();
  return std::any_of(all.begin(), all.end(), [&](const Definition& definition) {
    return definition.name == name && definition.kind != Kind::kDeclaration;
  });
}

/// The target names what the hunk defines, and the base did not: it has it by a macro, or from
/// another file.
std::string Auditor::NamedAlready(const std::vector<Added>&) const {
  if (language_ != Language::kC) return {};
  for (const Definition* made : Made()) {
    if (made->kind != Kind::kFunction && made->kind != Kind::kDeclaration &&
        made->kind != Kind::kMacro && made->kind != Kind::kType)
      continue;
    if (base_.HasWord(made->name) || !target_.HasWord(made->name)) continue;
    const Lines& lines = target_.text().lines();
    for (size_t i = 0; i < lines.size(); ++i) {
      if (target_.places()[i].comment) continue;
      for (std::string_view word : CodeWords(lines[i]))
        if (word == made->name)
          return file_.target->path + " of the target names " + made->name +
                 ", which it defines, already, at line " + std::to_string(i + 1) + ": " +
                 Quote(lines[i]);
    }
  }
  return {};
}

/// A line that is not landed would use what the hunk defines; the target has that line with another
/// name, which it has gained: it has the function or macro under that name.
std::string Auditor::OtherName(const std::vector<Added>&) const {
  constexpr size_t kTelling = 8, kEnough = 20;
  if (language_ != Language::kC) return {};
  for (const Definition* made : Made()) {
    if (made->kind != Kind::kFunction && made->kind != Kind::kMacro) continue;
    const std::string& name = made->name;
    // What the target still has under its own name was not renamed.
    if (names_.in_target(name)) continue;
    for (const OpenLine& open : file_.open_lines) {
      std::string line = Squeeze(open.line);
      size_t at = line.find(name + "(");
      if (at == std::string::npos || (at > 0 && IsWordCharacter(line[at - 1]))) continue;
      std::string before = line.substr(0, at), behind = line.substr(at + name.size());
      if (before.size() + behind.size() < kTelling) continue;
      const Lines& lines = open.target->text.lines();
      for (size_t i = 0; i < lines.size(); ++i) {
        std::string there = Squeeze(lines[i]);
        if (there.size() <= before.size() + behind.size() || !StartsWith(there, before) ||
            !EndsWith(there, behind))
          continue;
        std::string other =
            there.substr(before.size(), there.size() - before.size() - behind.size());
        if (other == name || WordAt(other, 0).size() != other.size()) continue;
        bool alike = Alike(SubWords(other), SubWords(name)) > 0;
        if (!alike && before.size() + behind.size() < kEnough) continue;
        if (!names_.in_target(other) || names_.in_base(other)) continue;
        return "the target has " + name + "() as " + other + "(): " + Quote(lines[i]) +
               " is in line " + std::to_string(i + 1) + " of " + open.target->path;
      }
    }
  }
  return {};
}

/// It adds an argument to a function of the target that has one of that name already.
std::string Auditor::InHead(const std::vector<Added>& added) const {
  if (language_ != Language::kC) return {};
  auto has = [](const Text& text, const Scope& scope, std::string_view name) {
    for (size_t i = scope.head; i < std::min(scope.body, text.size()); ++i)
      for (std::string_view word : CodeWords(text[i]))
        if (word == name) return true;
    return false;
  };
  for (const Added& each : added) {
    auto begin = begins_.find(each.part);
    if (begin == begins_.end()) continue;
    const Scope* scope = ScopeAt(landed_.scopes(), begin->second.first);
    if (!scope || scope->kind != Scope::Kind::kFunction || begin->second.first <= scope->head ||
        begin->second.first >= scope->body)
      continue;
    std::vector<std::string_view> words = CodeWords(each.line);
    if (words.size() < 2) continue;
    for (const Scope* there : file_.target->Find(scope->kind, scope->name))
      for (const Scope* here : file_.base->Find(scope->kind, scope->name))
        if (has(file_.target->text, *there, words.back()) &&
            !has(file_.base->text, *here, words.back()))
          return there->Title() + " of " + file_.target->path + " already has an argument " +
                 std::string(words.back()) + " of its own";
  }
  return {};
}

}  // namespace restack
