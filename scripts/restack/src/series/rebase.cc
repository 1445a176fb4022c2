// SPDX-License-Identifier: GPL-2.0-or-later
#include "restack/rebase.h"

#include <algorithm>

#include "formats/patch_writer.h"
#include "restack/apply.h"
#include "restack/dep3.h"
#include "run.h"

namespace restack {

Result<RebaseOutcome> SeriesRun::All() {
  const Series& series = *input_.series;
  Pace pace;
  for (size_t i = 0; i < series.patches.size(); ++i) {
    if (input_.progress && pace.Due())
      input_.progress("patch " + std::to_string(i + 1) + " of " +
                      std::to_string(series.patches.size()) + ": " + series.patches[i].name);
    if (Result<void> done = One(i); !done) return done.error();
  }
  outcome_.verdict.files = renames_.files();
  outcome_.verdict.functions = renames_.functions();
  return std::move(outcome_);
}

std::set<std::string> SeriesRun::Made(const Series& series) {
  std::set<std::string> made;
  for (size_t i = 0; i < series.patches.size(); ++i)
    for (const FileChange& file : series.patches[i].files)
      if (file.kind == FileChange::Kind::kCreate || file.kind == FileChange::Kind::kRename)
        made.insert(file.Path(series.strip[i]));
  return made;
}

Result<void> SeriesRun::One(size_t index) {
  const Series& series = *input_.series;
  std::optional<Patch> reversed;
  if (series.reverse[index]) reversed = Reversed(series.patches[index]);
  const Patch& patch = reversed ? *reversed : series.patches[index];
  Landed landed{patch, series.strip[index]};
  landed.verdict.name = patch.name;
  landed.verdict.summary = ParseDep3(patch.header).Summary();
  landed.verdict.notes = patch.ignored;
  for (const FileChange& file : patch.files) {
    Result<Moved> moved = LandFile(file, landed);
    if (!moved) return moved.error();
    landed.moved.push_back(std::move(*moved));
  }
  if (Result<void> done = Write(landed); !done) return done;
  PatchFiles& files = landed.files;
  PatchVerdict& verdict = landed.verdict;
  Show(files, verdict);
  Resolve(patch, files, verdict);
  Result<PatchText> text =
      WritePatch({patch, series.patches[index], series.originals[index], landed.strip},
                 landed.moved, files, outcome_.landed, verdict.Upstream(), input_.applies_to);
  if (!text) return text.error();
  verdict.text = std::move(text->bytes);
  verdict.dropped = text->dropped;
  verdict.unchanged = !verdict.dropped && verdict.text == series.originals[index];
  for (const auto& [path, file] : files.after) {
    if (file)
      outcome_.landed->Write(path, *file);
    else
      outcome_.landed->Delete(path);
  }
  outcome_.verdict.patches.push_back(std::move(verdict));
  outcome_.files.push_back(std::move(files));
  return {};
}

/// A person's remembered edit, where it still fits.
void SeriesRun::Resolve(const Patch& patch, PatchFiles& files, PatchVerdict& verdict) {
  files.after = files.automatic;
  files.head = files.automatic_head = patch.header;
  files.head_file = "PATCH-HEAD";
  auto taken = [&](const std::string& name) {
    return files.automatic.count(name) || files.before.count(name) || files.conflicts.count(name);
  };
  while (taken(files.head_file)) files.head_file += '_';
  auto at = input_.resolutions.find(verdict.name);
  if (at == input_.resolutions.end()) return;
  auto tree = std::make_shared<MemoryTree>(outcome_.landed);
  for (const auto& [path, file] : files.automatic) {
    if (file)
      tree->Write(path, *file);
    else
      tree->Delete(path);
  }
  tree->Write(files.head_file, {Text(patch.header), 0100644});
  MemoryTree edited(tree);
  if (Result<void> done = ApplyPatch(at->second, 1, edited); !done) {
    verdict.notes.push_back("the remembered resolution no longer fits: " + done.error().message);
    return;
  }
  for (const auto& [path, file] : edited.changes()) {
    if (path == files.head_file) {
      files.head = file ? file->text.bytes() : "";
      continue;
    }
    Result<std::optional<TreeFile>> before = outcome_.landed->Read(path);
    if (before) files.before.emplace(path, *before);
    files.after[path] = file;
  }
  verdict.resolved = true;
  Dep3 head = ParseDep3(at->second.header);
  const Dep3Field* answers = head.Find("Answers");
  bool left = false;
  for (HunkVerdict& hunk : verdict.hunks) {
    bool answered = answers && answers->value.find("\n" + hunk.Key()) != std::string::npos;
    left = left || (hunk.grade == Grade::kConflict && !answered);
    if (hunk.grade == Grade::kUpstream || !answered) continue;
    hunk.grade = Grade::kResolved;
    hunk.reason = "a person's edit; without it: " + hunk.reason;
    if (hunk.line == 0) hunk.line = 1;
    for (auto& [line, missing] : missing_)
      std::erase_if(missing, [&](const Missing& each) { return each.patch == verdict.name; });
  }
  if (!left) files.conflicts.clear();
}

BaseChoice ChooseBase(const Series& series, const std::vector<std::shared_ptr<const Tree>>& bases) {
  BaseChoice best;
  for (size_t b = 0; b < bases.size(); ++b) {
    MemoryTree tree(bases[b]);
    BaseChoice choice{b, 0, 0};
    for (size_t i = 0; i < series.patches.size(); ++i) {
      Patch reversed = series.reverse[i] ? Reversed(series.patches[i]) : Patch();
      const Patch& patch = series.reverse[i] ? reversed : series.patches[i];
      ApplyEach(patch, series.strip[i], tree,
                [&](const FileChange& file, const Result<Effect>& effect) {
                  choice.of += file.hunks.size();
                  if (effect) choice.hunks += file.hunks.size();
                  return true;
                });
    }
    if (b == 0 || choice.hunks > best.hunks) best = choice;
    if (best.hunks == best.of) break;
  }
  return best;
}

Result<RebaseOutcome> Rebase(const RebaseInput& input) {
  if (input.bases.empty()) return Error{"no base is known"};
  return SeriesRun(input).All();
}

}  // namespace restack
