// SPDX-License-Identifier: GPL-2.0-or-later
// Landed hunks are looked at again, all of a patch together: what speaks against one is a conflict.
#include <set>

#include "landing/audit.h"
#include "landing/definitions.h"
#include "landing/function_index.h"
#include "landing/lex.h"
#include "run.h"

namespace restack {

/// Until nothing more is found: what is taken back may be what another hunk needs.
void SeriesRun::Review(Landed& landed) {
  // On its own base a series means what it meant.
  if (base_->Name() == input_.target->Name()) return;
  constexpr int kMost = 8;
  for (int i = 0; i < kMost && ReviewOnce(landed); ++i) {
  }
}

namespace {

/// The function or macro that a line at file scope declares or defines; "" when it uses names only.
std::string DefinedBy(std::string_view line) {
  if (StartsWith(line, "#define ")) {
    std::vector<std::string_view> words = CodeWords(line.substr(7));
    return words.empty() ? std::string() : std::string(words.front());
  }
  bool at_file_scope = !line.empty() && line[0] != ' ' && line[0] != '\t' && line[0] != '#';
  return at_file_scope ? FunctionName(line) : std::string();
}

}  // namespace

/// A conflict whose place is there, and of which the target has less than half.
bool SeriesRun::OnlyNeedsEdit(const HunkVerdict& hunk, const Origin& origin, const Landed& landed) {
  if (hunk.grade != Grade::kConflict || !origin.needs_edit) return false;
  auto side = landed.sides.find(hunk.target);
  if (side == landed.sides.end() || !side->second) return false;
  size_t lines = 0, there = 0;
  for (const Edit& edit : origin.hunk->edits)
    for (std::string_view line : edit.added) {
      if (!IsSignificant(line)) continue;
      ++lines;
      there += side->second->squeezed().Count(Squeeze(line)) > 0;
    }
  return there * 2 < lines;
}

bool SeriesRun::ReviewOnce(Landed& landed) {
  PatchVerdict& verdict = landed.verdict;
  Names names;
  names.in_base = [&](const std::string& name) { return !base_->FilesDefining(name).empty(); };
  names.in_target = [&](const std::string& name) {
    return !outcome_.landed->FilesDefining(name).empty();
  };
  names.files = [&](const std::string& name) { return outcome_.landed->FilesDefining(name); };
  std::map<size_t, Finding> findings;
  std::set<std::string> patch_open;          // words of hunks that are not landed
  std::set<std::string> needed;              // those of hunks that only need an edit
  std::set<std::string> used;                // those that landed hunks add and do not define
  std::map<const Side*, size_t> open_hunks;  // of each file of the base
  std::vector<OpenLine> open_lines;          // of hunks that are not landed
  std::set<const Side*> edits;               // files with a hunk that only needs an edit
  for (const auto& [index, origin] : landed.origins) {
    bool open = verdict.hunks[index].grade == Grade::kConflict;
    open = open || verdict.hunks[index].grade == Grade::kUpstream;
    bool edit = OnlyNeedsEdit(verdict.hunks[index], origin, landed);
    if (open) ++open_hunks[origin.base.get()];
    if (edit) edits.insert(origin.base.get());
    auto target = landed.sides.find(verdict.hunks[index].target);
    bool conflict = verdict.hunks[index].grade == Grade::kConflict;
    std::set<std::string> words, defined;
    for (const Edit& edit : origin.hunk->edits)
      for (std::string_view line : edit.added) {
        defined.insert(DefinedBy(line));
        if (conflict && target != landed.sides.end() && target->second)
          open_lines.push_back({line, target->second.get()});
        for (std::string_view word : CodeWords(line)) words.emplace(word);
      }
    for (const std::string& word : defined) words.erase(word);
    for (const std::string& word : words)
      if (edit)
        needed.insert(word);
      else if (open)
        patch_open.insert(word);
      else
        used.insert(word);
  }
  for (const std::string& word : needed) patch_open.erase(word);
  std::map<size_t, std::set<std::string>> paths;  // of each hunk
  for (const auto& [path, parts] : landed.parts)
    for (const Replacement& part : parts) paths[part.hunk].insert(path);
  for (const auto& [path, parts] : landed.parts) {
    auto side = landed.sides.find(path);
    if (side == landed.sides.end() || !side->second) continue;
    // The hunks of one file of the base: two files may have become one.
    std::map<const Side*, AuditedFile> files;
    std::map<size_t, size_t> at;
    for (const Replacement& part : parts) {
      auto origin = landed.origins.find(part.hunk);
      if (origin == landed.origins.end()) continue;
      AuditedFile& file = files[origin->second.base.get()];
      file.base = origin->second.base.get();
      file.after = origin->second.after;
      file.target = side->second.get();
      if (!at.count(part.hunk)) {
        at[part.hunk] = file.hunks.size();
        file.hunks.push_back({part.hunk, origin->second.hunk, {}});
        AuditedHunk& hunk = file.hunks.back();
        hunk.conflict = verdict.hunks[part.hunk].grade == Grade::kConflict;
        hunk.whole = paths[part.hunk].size() == 1;
      }
      file.hunks[at[part.hunk]].parts.push_back(&part);
    }
    for (auto& [base, file] : files) {
      file.patch_open = patch_open;
      file.open_lines = open_lines;
      file.used = used;
      file.others_open = open_hunks.count(base) > 0;
      file.others_need_edit = edits.count(base) > 0;
      for (const auto& [index, origin] : landed.origins)
        if (origin.base.get() == base && verdict.hunks[index].grade == Grade::kConflict)
          for (const Edit& edit : origin.hunk->edits)
            for (std::string_view line : edit.added)
              for (std::string_view word : CodeWords(line)) file.open.emplace(word);
      findings.merge(Audit(file, names));
    }
  }
  for (const auto& [index, finding] : findings) {
    HunkVerdict& hunk = verdict.hunks[index];
    if (finding.upstream) {
      Drop(index, landed);
      hunk.grade = Grade::kUpstream;
      hunk.line = 0;
      hunk.reason = finding.reason;
      continue;
    }
    std::string reason = finding.reason;
    if (hunk.grade == Grade::kConflict) {
      // What is landed of a conflict goes; why it is one stays.
      reason = hunk.reason.substr(0, hunk.reason.rfind(" ("));
      reason += "; " + finding.reason;
    }
    TakeBack(index, reason, landed);
    landed.origins.at(index).needs_edit = finding.needs_edit;
  }
  return !findings.empty();
}

}  // namespace restack
