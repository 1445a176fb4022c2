// SPDX-License-Identifier: GPL-2.0-or-later
#include "audit.h"

#include <algorithm>
#include <cctype>
#include <memory>
#include <optional>
#include <set>
#include <unordered_map>

#include "definitions.h"
#include "text_facts.h"

namespace restack {
namespace {

using Kind = Definition::Kind;

class Auditor {
 public:
  Auditor(const AuditedFile& file, const Names& names)
      : file_(file),
        names_(names),
        language_(LanguageOf(file.target->path)),
        base_(file.base->path, file.base->text),
        after_(file.base->path, file.after),
        target_(file.target->path, file.target->text),
        landed_(file.target->path, Landed()) {}

  std::map<size_t, Finding> Run() {
    same_ = file_.base->text.bytes() == file_.target->text.bytes();
    std::map<size_t, Finding> findings;
    for (const AuditedHunk& hunk : file_.hunks) {
      hunk_ = &hunk;
      if (std::optional<Finding> finding = Judge()) findings[hunk.index] = std::move(*finding);
    }
    return findings;
  }

 private:
  /// A line that the hunk adds to the target, with its place in the landed text.
  struct Added {
    std::string_view line;
    size_t at;  ///< in the target
    const Replacement* part;
  };

  /// The target with all parts; where each part begins in it.
  Text Landed() {
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

  std::vector<Added> AddedLines() const {
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

  std::optional<Finding> Judge() {
    std::vector<Added> added = AddedLines();
    if (same_) {  // nothing but what is elsewhere can be otherwise
      std::string reason = Gone(added);
      return reason.empty() ? std::nullopt : std::optional<Finding>({false, reason});
    }
    if (OnlyBlank(added))
      return Finding{true, "all that it adds is in the target but a blank line"};
    // What is landed of a conflict, a person sees; only what would break the rest is taken back.
    if (hunk_->conflict) {
      std::string reason = Place(added);
      if (reason.empty()) reason = Used(added);
      return reason.empty() ? std::nullopt : std::optional<Finding>({false, reason});
    }
    using Check = std::string (Auditor::*)(const std::vector<Added>&) const;
    for (Check check : {&Auditor::Place, &Auditor::Balance, &Auditor::LocalGone,
                        &Auditor::Elsewhere, &Auditor::Doubled, &Auditor::SameName, &Auditor::Words,
                        &Auditor::Held, &Auditor::NearlySame, &Auditor::Share, &Auditor::StillThere,
                        &Auditor::Gone, &Auditor::Used, &Auditor::Subject}) {
      std::string reason = (this->*check)(added);
      if (reason.empty()) continue;
      if (hunk_->whole && Whole()) return Finding{true, Upstream()};
      return Finding{false, reason};
    }
    return std::nullopt;
  }

  /// The target has all lines that the hunk adds, as often as the patch leaves them in its file, in
  /// their order and near each other, and none of those that it removes.
  bool Whole() const {
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

  bool InOrder(const std::vector<std::string>& lines) const {
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

  std::string Upstream() const {
    for (const Edit& edit : hunk_->hunk->edits)
      for (std::string_view line : edit.added)
        if (IsSignificant(line) && !target_.At(Squeeze(line)).empty())
          return "the target has its lines, from line " +
                 std::to_string(target_.At(Squeeze(line)).front() + 1) + " of " +
                 file_.target->path;
    return "the target has made the same change";
  }

  /// Nothing is left of the hunk but blank lines.
  bool OnlyBlank(const std::vector<Added>& added) const {
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

  /// It opens or closes more conditions or braces than the patch does in its own file.
  std::string Balance(const std::vector<Added>&) const {
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
        if (StartsWith(text, "*") || StartsWith(text, "/*") || StartsWith(text, "//")) return;
        char quote = 0;
        for (size_t i = 0; i < text.size(); ++i) {
          char c = text[i];
          if (quote) {
            if (c == '\\')
              ++i;
            else if (c == quote)
              quote = 0;
          } else if (c == '"' || c == '\'') {
            quote = c;
          } else {
            braces += sign * ((c == '{') - (c == '}'));
          }
        }
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

  /// It uses a local or an argument that the target's function has not.
  std::string LocalGone(const std::vector<Added>& added) const {
    if (language_ != Language::kC) return {};
    for (const Added& each : added) {
      const Edit* edit = EditOf(*each.part);
      if (!edit) continue;
      const Scope* here = ScopeAt(after_.scopes(), NewLine(*edit));
      const auto lines = begins_.find(each.part);
      if (!here || here->kind != Scope::Kind::kFunction || lines == begins_.end()) continue;
      const Scope* there = ScopeAt(landed_.scopes(), lines->second.first);
      if (!there || there->kind != Scope::Kind::kFunction || InComment(each)) continue;
      std::set<std::string, std::less<>> known = Locals(after_, *here);
      std::set<std::string, std::less<>> has = Locals(landed_, *there);
      for (std::string_view word : CodeWords(each.line)) {
        size_t at = static_cast<size_t>(word.data() - each.line.data());
        bool member = at > 0 && (each.line[at - 1] == '.' || each.line[at - 1] == '>');
        if (member || !known.count(word) || has.count(word)) continue;
        // The function there names it, too, however it came by it.
        bool named = false;
        for (const Scope* same : FindScopes(file_.target->scopes, there->kind, there->name))
          for (size_t i = same->head; i < same->end; ++i)
            for (std::string_view other : CodeWords(file_.target->text[i]))
              named = named || other == word;
        // A local of the target that is one no more was taken out by the patch.
        if (named && !WasLocal(*there, word)) continue;
        // It may be anything else there: a global, a macro.
        if (!named && target_.HasWord(word) && !Within(file_.base->text, *edit, word)) continue;
        return "it uses " + std::string(word) + ", a local of " + here->Title() + ", which " +
               there->Title() + " of " + file_.target->path + " has not";
      }
    }
    return {};
  }

  bool WasLocal(const Scope& landed, std::string_view word) const {
    for (const Scope* same : FindScopes(target_.scopes(), landed.kind, landed.name))
      if (Locals(target_, *same).count(word)) return true;
    return false;
  }

  /// The base's function of the edit has the word already.
  bool Within(const Text& text, const Edit& edit, std::string_view word) const {
    const Scope* scope = ScopeAt(file_.base->scopes, edit.begin > 0 ? edit.begin - 1 : 0);
    if (!scope) return false;
    for (size_t i = scope->head; i < std::min(scope->end, text.size()); ++i)
      for (std::string_view other : CodeWords(text[i]))
        if (other == word) return true;
    return false;
  }

  /// Where an edit begins in the file with all of the patch.
  size_t NewLine(const Edit& edit) const {
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

  std::set<std::string, std::less<>> Locals(const FileFacts& facts, const Scope& scope) const {
    std::set<std::string, std::less<>> names;
    const auto& all = facts.definitions();
    for (auto at =
             std::partition_point(all.begin(), all.end(),
                                  [&](const Definition& each) { return each.line < scope.head; });
         at != all.end() && at->line < scope.end; ++at)
      if (at->kind == Kind::kLocal) names.insert(at->name);
    // The head: names of arguments, and more that does no harm.
    for (size_t i = scope.head; i < std::min(scope.body, facts.size()); ++i)
      for (std::string_view word : CodeWords(facts.text()[i])) names.emplace(word);
    return names;
  }

  /// It defines a function in a file that the target has it in no more, but in another one.
  std::string Elsewhere(const std::vector<Added>& added) const {
    if (language_ != Language::kC || added.empty()) return {};
    for (const Definition* made : Made()) {
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

  /// A line goes from code into a comment or back, or out of its braces.
  std::string Place(const std::vector<Added>&) const {
    if (language_ != Language::kC) return {};
    const auto& here = base_.places();
    const auto& there = target_.places();
    for (const Replacement* part : hunk_->parts) {
      const Edit* edit = EditOf(*part);
      if (!edit || edit->begin >= here.size() || part->begin >= there.size()) continue;
      if (here[edit->begin].comment != there[part->begin].comment)
        return At(*part) +
               (there[part->begin].comment ? "is in a comment" : "is not in a comment") +
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

  std::string At(const Replacement& part) const {
    return "its place in " + file_.target->path + ", line " + std::to_string(part.begin + 1) + ", ";
  }

  /// The edit that a part is made of: the one that adds its first line.
  const Edit* EditOf(const Replacement& part) const {
    Lines lines = SplitLines(part.text);
    for (std::string_view line : lines) {
      if (IsBlank(line)) continue;
      for (const Edit& edit : hunk_->hunk->edits)
        for (std::string_view added : edit.added)
          if (Squeeze(added) == Squeeze(line)) return &edit;
    }
    return hunk_->hunk->edits.size() == 1 ? &hunk_->hunk->edits.front() : nullptr;
  }

  /// The target has gained a line that the hunk adds, and would have it twice.
  std::string Doubled(const std::vector<Added>& added) const {
    constexpr size_t kAnywhere = 28, kNear = 12, kLines = 25, kOften = 3;
    for (const Added& each : added) {
      if (!IsSignificant(each.line)) continue;
      std::string line = Squeeze(each.line);
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
      return "the target has got " + Quote(each.line) + " by itself, at line " +
             std::to_string(nearest + 1) + " of " + file_.target->path;
    }
    return {};
  }

  /// The first line of a call of several, or of a head, may be anywhere: only with the next one it
  /// says something.
  bool Finished(const Added& each) const {
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

  static bool Flow(std::string_view line) {
    for (std::string_view flow : {"return", "goto", "break", "continue", "if(", "else", "}else",
                                  "for(", "while(", "assert", "case", "err", "ret"})
      if (StartsWith(line, flow)) return true;
    return false;
  }

  bool SameScope(size_t a, size_t b) const {
    const Scope* first = ScopeAt(file_.target->scopes, a);
    const Scope* second = ScopeAt(file_.target->scopes, b > 0 ? b - 1 : 0);
    const Scope* third = ScopeAt(file_.target->scopes, b);
    return first == second || first == third;
  }

  bool Gained(const std::string& line) const {
    return target_.Count(line) > base_.Count(line) && landed_.Count(line) > after_.Count(line) &&
           landed_.Count(line) > target_.Count(line);
  }

  /// The target has a thing of that name, which the base had not.
  std::string SameName(const std::vector<Added>& added) const {
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
      if (made.kind != Kind::kFunction && made.kind != Kind::kType &&
          made.kind != Kind::kVariable && made.kind != Kind::kMacro)
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

  /// What the hunk's parts define in the landed text.
  std::vector<const Definition*> Made() const {
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

  /// Lists of words: a name that the list has got in another line.
  std::string Words(const std::vector<Added>& added) const {
    if (language_ != Language::kMake && language_ != Language::kMeson) return {};
    for (const Added& each : added) {
      if (each.line[0] == '\t' && language_ == Language::kMake && EndsWith(Trim(each.line), ";"))
        continue;
      for (std::string_view word : ListWords(each.line)) {
        if (word.size() < 6 || word.find_first_of("$(=") != std::string_view::npos) continue;
        if (after_.List(word) != 1 || base_.List(word) != 0 || target_.List(word) == 0) continue;
        return "the target has got `" + std::string(word) + "` by itself, in " + file_.target->path;
      }
    }
    return {};
  }

  /// A lock that is held, or a thing that is freed, by another line that the target has got.
  std::string Held(const std::vector<Added>& added) const {
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
              return "the target has got " + Quote(line) + " at line " + std::to_string(i + 1) +
                     ", which may do what " + Quote(each.line) + " does";
        }
      }
    }
    return {};
  }

  static const std::vector<std::set<std::string>>& Families() {
    static const std::vector<std::set<std::string>> kFamilies = {
        {"lock", "unlock", "mutex", "guard", "acquire"},
        {"free", "unref", "autofree", "autoptr", "autoclose", "cleanup", "destroy", "release",
         "put", "dispose", "clear", "close", "freep", "unrefp"}};
    return kFamilies;
  }

  static bool Any(const std::set<std::string>& words, const std::set<std::string>& family) {
    return std::any_of(family.begin(), family.end(),
                       [&](const std::string& word) { return words.count(word) > 0; });
  }

  /// The last words of the arguments of a call: `l->lock` gives lock, `s` gives s.
  static std::vector<std::string_view> Arguments(std::string_view line) {
    size_t open = line.find('('), close = line.rfind(')');
    if (open == std::string_view::npos || close == std::string_view::npos || close < open)
      return {};
    std::vector<std::string_view> names;
    std::vector<std::string_view> words = CodeWords(line.substr(open + 1, close - open - 1));
    for (std::string_view word : words)
      if (word != "NULL" && word != "self" && word != "this") names.push_back(word);
    if (names.size() > 2) names.clear();
    // `lock->x`: only what is locked itself
    if (names.size() == 2) names.erase(names.begin());
    return names;
  }

  /// A line that the target has got beside the place says nearly the same.
  std::string NearlySame(const std::vector<Added>& added) const {
    constexpr size_t kLines = 12, kWords = 3;
    constexpr double kSame = 0.72;
    for (const Added& each : added) {
      if (!IsSignificant(each.line)) continue;
      // The names of headers are alike; which one it is, others say.
      if (language_ == Language::kC && StartsWith(Trim(each.line), "#include")) continue;
      std::set<std::string> words = SubWords(each.line);
      if (words.size() < kWords) continue;
      size_t begin = each.at > kLines ? each.at - kLines : 0,
             end = std::min(target_.size(), each.part->end + kLines);
      double best = 0;
      size_t found = 0;
      for (size_t i = begin; i < end; ++i) {
        if (i >= each.part->begin && i < each.part->end) continue;
        std::string squeezed = Squeeze(file_.target->text[i]);
        if (!IsSignificant(file_.target->text[i]) ||
            target_.Count(squeezed) <= base_.Count(squeezed))
          continue;
        double like = Alike(words, SubWords(file_.target->text[i]));
        if (like > best) best = like, found = i;
      }
      if (best < kSame) continue;
      // Its brothers in the base may be as like it: then it says nothing.
      const Edit* edit = EditOf(*each.part);
      double sibling = 0;
      if (edit) {
        size_t from = edit->begin > kLines ? edit->begin - kLines : 0,
               to = std::min(base_.size(), edit->end + kLines);
        for (size_t i = from; i < to; ++i)
          if (i < edit->begin || i >= edit->end)
            sibling = std::max(sibling, Alike(words, SubWords(file_.base->text[i])));
        for (const Edit& other : hunk_->hunk->edits)
          for (std::string_view line : other.added)
            if (Squeeze(line) != Squeeze(each.line))
              sibling = std::max(sibling, Alike(words, SubWords(line)));
        // What it replaces is like it, of course; the target's line may be its successor.
      }
      if (best < sibling + 0.1) continue;
      return "the target has got " + Quote(file_.target->text[found]) + " at line " +
             std::to_string(found + 1) + ", which is nearly " + Quote(each.line);
    }
    return {};
  }

  /// Many of its lines are in the target, somewhere.
  std::string Share(const std::vector<Added>& added) const {
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

  /// A line that the hunk takes out of its file for good is still in the target's.
  std::string StillThere(const std::vector<Added>&) const {
    constexpr size_t kTelling = 12;
    for (const Edit& edit : hunk_->hunk->edits)
      for (size_t i = edit.begin; i < edit.end; ++i) {
        std::string line = Squeeze(file_.base->text[i]);
        if (line.size() < kTelling || !IsSignificant(file_.base->text[i]) || Flow(line)) continue;
        if (base_.Count(line) != 1 || after_.Count(line) != 0 || landed_.Count(line) == 0) continue;
        // It is gone from where the hunk is; another place may have it for another reason.
        bool taken = landed_.Count(line) < target_.Count(line);
        if (taken && !SameScope(target_.At(line).front(), target_.At(line).back())) continue;
        return "the line " + Quote(file_.base->text[i]) + " that it removes is still in " +
               file_.target->path + ", at line " + std::to_string(landed_.At(line).front() + 1);
      }
    return {};
  }

  /// It uses a name that the base defines and the target no longer has.
  std::string Gone(const std::vector<Added>& added) const {
    if (language_ != Language::kC) return {};
    const std::string& path = file_.target->path;
    if (EndsWith(path, ".dts") || EndsWith(path, ".dtsi") || EndsWith(path, ".dtso")) return {};
    for (const Added& each : added) {
      std::string_view text = Trim(each.line);
      if (text.empty() || text[0] == '*' || text[0] == '#' || StartsWith(text, "/*") ||
          StartsWith(text, "//") || InComment(each))
        continue;
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

  bool Defines(const std::string& name) const {
    const auto& all = landed_.definitions();
    return std::any_of(all.begin(), all.end(), [&](const Definition& definition) {
      return definition.name == name && definition.kind != Kind::kDeclaration;
    });
  }

  bool InComment(const Added& each) const {
    auto begin = begins_.find(each.part);
    if (begin == begins_.end()) return false;
    size_t line = begin->second.first;
    for (std::string_view other : SplitLines(each.part->text)) {
      if (other.data() == each.line.data() || other == each.line) break;
      ++line;
    }
    return line < landed_.places().size() && landed_.places()[line].comment;
  }

  /// What it defines is used by nothing, or what it no longer defines is still used.
  std::string Used(const std::vector<Added>&) const {
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
      if (after_.Defined(old.key) > 0) continue;
      if (landed_.Defined(old.key) > 0) continue;  // StillThere says so
      if (target_.Defined(old.key) == 0) continue;
      if (Uses(after_, file_.after, old) == 0 && Uses(landed_, landed_.text(), old) > 0)
        return "it removes " + old.name + ", which " + file_.target->path + " still uses";
    }
    return {};
  }

  /// A local that its function names once.
  bool Alone(const Definition& local) const {
    const Scope* scope = ScopeAt(landed_.scopes(), local.line);
    if (!scope || scope->kind != Scope::Kind::kFunction) return false;
    size_t uses = 0;
    for (size_t i = scope->head; i < std::min(scope->end, landed_.size()); ++i)
      for (std::string_view word : CodeWords(landed_.text()[i])) uses += word == local.name;
    return uses == 1;
  }

  bool InItsFunction(size_t line) const {
    const Scope* there = ScopeAt(landed_.scopes(), line);
    for (const Edit& edit : hunk_->hunk->edits)
      if (const Scope* here = ScopeAt(file_.base->scopes, edit.begin > 0 ? edit.begin - 1 : 0);
          here && there && here->name == there->name)
        return true;
    return false;
  }

  /// How often a name is used in the scope that it was defined in.
  size_t Uses(const FileFacts& facts, const Text& text, const Definition& of) const {
    const Scope* scope = ScopeAt(file_.base->scopes, of.line);
    if (of.kind != Kind::kLocal && of.kind != Kind::kLabel) return facts.Word(of.name);
    if (!scope) return 0;
    auto same = FindScopes(facts.scopes(), scope->kind, scope->name);
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

  /// A comment that is changed, above a line that the target has otherwise.
  std::string Subject(const std::vector<Added>&) const {
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
        return "it changes the comment of " + Quote(next) + ", which is not in " +
               file_.target->path;
    }
    return {};
  }

  const AuditedFile& file_;
  const Names& names_;
  Language language_;
  /// The lines of a part in the landed text.
  std::map<const Replacement*, std::pair<size_t, size_t>> begins_;
  FileFacts base_, after_, target_, landed_;
  const AuditedHunk* hunk_ = nullptr;
  bool same_ = false;
};

}  // namespace

std::map<size_t, Finding> Audit(const AuditedFile& file, const Names& names) {
  return Auditor(file, names).Run();
}

}  // namespace restack
