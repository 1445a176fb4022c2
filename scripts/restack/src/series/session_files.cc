// SPDX-License-Identifier: GPL-2.0-or-later
// The files of a session: what a person edits, the moved series, and remembered edits.
#include <algorithm>
#include <filesystem>

#include "folders.h"
#include "formats/patch_writer.h"
#include "restack/dep3.h"
#include "restack/folder.h"
#include "restack/json_report.h"
#include "restack/session.h"

namespace restack {

namespace fs = std::filesystem;

namespace {

std::string ResolutionFile(const std::string& patch) {
  std::string name;
  for (char c : patch) name += c == '/' ? "%2F" : c == '%' ? "%25" : std::string(1, c);
  return name;
}

/// A file that restack's part of patch `at` does not touch, as the patches before left it.
std::optional<TreeFile> Before(const RebaseOutcome& outcome, size_t at, const std::string& path) {
  for (size_t i = at; i-- > 0;)
    if (auto file = outcome.files[i].after.find(path); file != outcome.files[i].after.end())
      return file->second;
  for (size_t i = at; i < outcome.files.size(); ++i)
    if (auto file = outcome.files[i].before.find(path); file != outcome.files[i].before.end())
      return file->second;
  Result<std::optional<TreeFile>> untouched = outcome.landed->Read(path);
  return untouched ? *untouched : std::nullopt;
}

}  // namespace

Result<void> Session::Write(const Plan& plan, const RebaseOutcome& outcome, const Series& series,
                            const Maps& given, const std::string& open) {
  if (auto done = WriteFile(Path("map.toml"), PrintMaps(given, outcome.verdict)); !done)
    return done;
  if (auto done = WriteFile(Path("verdict.json"), JsonReport(outcome.verdict, false) + "\n"); !done)
    return done;
  // The first patch that is open, or the one that was asked for.
  size_t at = 0;
  const auto& patches = outcome.verdict.patches;
  while (at < patches.size() && (open.empty() ? !patches[at].Open() : patches[at].name != open))
    ++at;
  std::string working = at < patches.size() ? patches[at].name : "";
  for (const char* name : {"work", "base"}) {
    Result<void> done = FillFolder(Path(name), [&](const std::string& folder) -> Result<void> {
      if (at == patches.size()) return {};
      const PatchFiles& files = outcome.files[at];
      for (const auto& [path, file] : *name == 'b' ? files.automatic : files.after)
        if (file)
          if (auto written = WriteBelow(folder, path, file->text.bytes()); !written) return written;
      if (auto written = WriteFile(folder + "/" + files.head_file,
                                   *name == 'b' ? files.automatic_head : files.head);
          !written)
        return written;
      if (*name == 'w')
        for (const auto& [path, text] : files.conflicts)
          if (auto written = WriteBelow(folder, path, text); !written) return written;
      return {};
    });
    if (!done) return done;
  }
  if (auto done = WriteFile(Path("working"), working + "\n"); !done) return done;

  return FillFolder(Path("series"), [&](const std::string& folder) -> Result<void> {
    std::error_code error, none;
    // Everything else in the folder stays: a README, other files of the maintainer.
    if (fs::is_directory(output_, none))
      if (Result<void> copied = CopyFolder(output_, folder); !copied) return copied;
    std::string list;
    size_t i = 0;
    for (const SeriesEntry& entry : series.file.entries) {
      if (entry.patch.empty()) {
        list += entry.raw;
        continue;
      }
      const PatchVerdict& patch = patches[i++];
      if (patch.dropped) {
        fs::remove(folder + "/" + entry.patch, error);
        list +=
            "# " + entry.patch + (patch.Upstream() ? ": upstream\n" : ": nothing is left of it\n");
        continue;
      }
      list +=
          patch.unchanged || (entry.strip == 1 && !entry.reverse) ? entry.raw : entry.patch + "\n";
      // The modes of a patch's own file are kept.
      std::string from = plan.series + "/" + entry.patch, to = folder + "/" + entry.patch;
      // A link to the patch as it is, or in a linked folder, stays.
      Result<std::string> there = ReadFile(to);
      if (there && *there == patch.text) continue;
      if (auto written = WriteBelow(folder, entry.patch, patch.text); !written) return written;
      if (fs::exists(from, error))
        fs::permissions(to, fs::status(from, error).permissions(), error);
    }
    if (auto written = WriteFile(folder + "/series", list); !written) return written;
    fs::remove_all(folder + "/resolutions", error);
    std::string remembered = Path("resolutions/" + std::to_string(Step()));
    if (fs::is_directory(remembered, error) && !fs::is_empty(remembered, error))
      fs::copy(remembered, folder + "/resolutions", fs::copy_options::recursive, error);
    if (error) return Error{folder + "/resolutions: cannot be written: " + error.message()};
    Result<std::string> map = ReadFile(Path("map.toml"));
    if (!map) return map.error();
    if (given.files.empty() && given.functions.empty()) {
      fs::remove(folder + "/map.toml", error);
      return {};
    }
    return WriteFile(folder + "/map.toml", *map);
  });
}

Result<void> Session::TakeWork(const RebaseOutcome& outcome) {
  std::string name = Working();
  const auto& patches = outcome.verdict.patches;
  size_t at = 0;
  while (at < patches.size() && patches[at].name != name) ++at;
  if (name.empty() || at == patches.size()) return {};
  const PatchFiles& files = outcome.files[at];
  Patch edit;
  edit.name = name;
  std::error_code error;
  std::vector<std::string> paths;
  for (const auto& entry : fs::recursive_directory_iterator(Path("work"), error))
    if (entry.is_regular_file()) paths.push_back(entry.path().lexically_relative(Path("work")));
  for (const auto& [path, file] : files.automatic)
    if (file && !fs::exists(Path("work/" + path), error)) paths.push_back(path);
  std::sort(paths.begin(), paths.end());
  for (const std::string& path : paths) {
    bool there = fs::exists(Path("work/" + path), error);
    Result<std::string> bytes = there ? ReadFile(Path("work/" + path)) : std::string();
    if (!bytes) return bytes.error();
    Text now(*bytes);
    for (size_t line = 0; line < now.size(); ++line)
      for (std::string_view marker : {"<<<<<<< ", ">>>>>>> ", "||||||| "})
        if (StartsWith(now[line], marker))
          return Error{Path("work/" + path) + ":" + std::to_string(line + 1) +
                       ": a conflict marker is left"};
    auto automatic = files.automatic.find(path);
    std::optional<TreeFile> before;
    if (path == files.head_file) {
      before = TreeFile{Text(files.automatic_head), 0100644};
    } else if (automatic != files.automatic.end()) {
      before = automatic->second;
    } else {
      before = Before(outcome, at, path);
    }
    if (before && there && before->text.bytes() == now.bytes()) continue;
    std::optional<TreeFile> after;
    if (there) after = TreeFile{now, before ? before->mode : 0100644};
    edit.files.push_back(WriteChange(nullptr, {path, path, before, after}));
  }
  // Nothing edited, and no conflict that was decided by leaving the target as it is.
  if (edit.files.empty() && patches[at].Count(Grade::kConflict) == 0) return {};
  std::string header =
      "Resolves: " + name + "\nDescription: a person's edit to what restack landed\nAnswers:\n";
  for (const HunkVerdict& hunk : patches[at].hunks)
    if (hunk.Open() || hunk.grade == Grade::kResolved) header += " " + hunk.Key() + "\n";
  edit.header = header;
  size_t step = Step();
  return FillFolder(Path("resolutions/" + std::to_string(step + 1)),
                    [&](const std::string& folder) -> Result<void> {
                      std::error_code copied;
                      fs::copy(Path("resolutions/" + std::to_string(step)), folder,
                               fs::copy_options::recursive, copied);
                      if (copied) return Error{folder + ": cannot be written: " + copied.message()};
                      // The last answer counts, under whatever name an earlier one was kept.
                      for (const auto& entry : fs::directory_iterator(folder, copied)) {
                        Result<std::string> kept = ReadFile(entry.path());
                        Result<Patch> patch = kept ? ParsePatch(*kept, "") : kept.error();
                        Dep3 head = patch ? ParseDep3(patch->header) : Dep3();
                        const Dep3Field* of = head.Find("Resolves");
                        if (of && of->value == name) fs::remove(entry.path(), copied);
                      }
                      return WriteFile(folder + "/" + ResolutionFile(name), Print(edit));
                    });
}

}  // namespace restack
