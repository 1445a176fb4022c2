// SPDX-License-Identifier: GPL-2.0-or-later
// The review of the hunks of one file: the questions that are asked of each. A question gives the
// reason why a hunk is not landed, or nothing.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "audit.h"
#include "definitions.h"
#include "text_facts.h"

namespace restack {

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

  std::map<size_t, Finding> Run();

 private:
  /// A line that the hunk adds to the target, with its place in the landed text.
  struct Added {
    std::string_view line;
    size_t at;  ///< in the target
    const Replacement* part;
  };

  Text Landed();
  std::vector<Added> AddedLines() const;
  std::optional<Finding> Judge();
  std::string Upstream() const;
  bool OnlyBlank(const std::vector<Added>& added) const;
  size_t NewLine(const Edit& edit) const;
  std::string At(const Replacement& part) const;
  const Edit* EditOf(const Replacement& part) const;
  static bool Flow(std::string_view line);
  bool SameScope(size_t a, size_t b) const;
  std::vector<const Definition*> Made() const;
  size_t LandedLine(const Added& each) const;
  bool InComment(const Added& each) const;

  // Of the place of a hunk (audit_places.cc).
  std::string Balance(const std::vector<Added>&) const;
  std::string Place(const std::vector<Added>&) const;
  std::string AmongComments() const;
  std::string StillThere(const std::vector<Added>&) const;
  std::string Subject(const std::vector<Added>&) const;

  // Of the names that it defines and uses (audit_names.cc).
  std::string LocalGone(const std::vector<Added>& added) const;
  bool Visible(const FileFacts& facts, const Scope& scope, size_t line,
               std::string_view name) const;
  bool WasLocal(const Scope& landed, std::string_view word) const;
  bool Within(const Text& text, const Edit& edit, std::string_view word) const;
  std::set<std::string, std::less<>> Locals(const FileFacts& facts, const Scope& scope) const;
  std::string Elsewhere(const std::vector<Added>& added) const;
  std::string SameName(const std::vector<Added>& added) const;
  std::string NamedAlready(const std::vector<Added>&) const;
  std::string OtherName(const std::vector<Added>&) const;
  std::string InHead(const std::vector<Added>& added) const;
  std::string Gone(const std::vector<Added>& added) const;
  bool Defines(const std::string& name) const;

  // Of what uses these names (audit_uses.cc).
  std::string FreedThenUsed(const std::vector<Added>& added) const;
  std::string ServesOpen(const std::vector<Added>& added) const;
  std::string Used(const std::vector<Added>&) const;
  bool Alone(const Definition& local) const;
  bool InItsFunction(size_t line) const;
  size_t Uses(const FileFacts& facts, const Text& text, const Definition& of) const;

  // Of what the target has already (audit_doubles.cc).
  bool Whole() const;
  bool WholeByItself() const;
  bool NoChange() const;
  std::string CheckedAlready(const std::vector<Added>& added) const;
  bool InOrder(const std::vector<std::string>& lines) const;
  std::string Doubled(const std::vector<Added>& added) const;
  bool Finished(const Added& each) const;
  bool Gained(const std::string& line) const;
  std::string Words(const std::vector<Added>& added) const;
  std::string Held(const std::vector<Added>& added) const;
  static const std::vector<std::set<std::string>>& Families();
  static bool Any(const std::set<std::string>& words, const std::set<std::string>& family);
  static std::vector<std::string_view> Arguments(std::string_view line);

  // Of what the target has nearly (audit_likeness.cc).
  std::string Misspelt(const std::vector<Added>& added) const;
  std::string NearlySame(const std::vector<Added>& added) const;
  std::string Share(const std::vector<Added>& added) const;

  const AuditedFile& file_;
  const Names& names_;
  Language language_;
  /// The lines of a part in the landed text.
  std::map<const Replacement*, std::pair<size_t, size_t>> begins_;
  FileFacts base_, after_, target_, landed_;
  const AuditedHunk* hunk_ = nullptr;
  bool same_ = false;
};

}  // namespace restack
