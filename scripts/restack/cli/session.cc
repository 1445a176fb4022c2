// SPDX-License-Identifier: GPL-2.0-or-later
#include "session.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "print.h"
#include "restack/dep3.h"

namespace restack::cli {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

/// Both folders take each other's name in one step, so that OUTPUT is never missing.
bool Exchange(const std::string& a, const std::string& b) {
  return syscall(SYS_renameat2, AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(),
                 2u /* RENAME_EXCHANGE */) == 0;
}

std::string ResolutionFile(const std::string& patch) {
  std::string name = patch;
  for (char& c : name)
    if (c == '/') c = '_';
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

Result<void> FillFolder(const std::string& folder,
                        const std::function<Result<void>(const std::string&)>& fill) {
  std::error_code error;
  std::string partial = folder + ".new";
  fs::remove_all(partial, error);
  fs::create_directories(partial, error);
  if (error) return Error{partial + ": cannot be made: " + error.message()};
  if (Result<void> done = fill(partial); !done) return done;
  if (fs::exists(folder, error)) {
    if (!Exchange(partial, folder)) return Error{folder + ": cannot be replaced"};
    fs::remove_all(partial, error);
    return {};
  }
  fs::rename(partial, folder, error);
  if (error) return Error{folder + ": cannot be made: " + error.message()};
  return {};
}

}  // namespace

bool Session::Exists() const { return fs::exists(Path("plan.json")); }
bool Session::Finished() const {
  Result<std::string> inode = ReadFile(Path("ending"));
  struct stat status;
  return inode && stat(output_.c_str(), &status) == 0 &&
         std::string(Trim(*inode)) == std::to_string(status.st_ino);
}

Result<Plan> Session::ReadPlan() const {
  Result<std::string> bytes = ReadFile(Path("plan.json"));
  if (!bytes) return Error{"no rebase is under way (" + folder_ + " is not there)"};
  json plan = json::parse(*bytes, nullptr, false);
  if (!plan.is_object()) return Error{Path("plan.json") + ": cannot be read"};
  return Plan{plan.value("series", ""), plan.value("onto", ""), plan.value("from", ""),
              plan.value("output", ""), plan.value("build", "")};
}

Result<void> Session::Begin(const Plan& plan) {
  // Edits remembered from the last time that this output was made are where this rebase starts.
  std::error_code error;
  std::string remembered = plan.output + "/resolutions";
  fs::create_directories(Path("resolutions"), error);
  Result<void> done =
      FillFolder(Path("resolutions/0"), [&](const std::string& folder) -> Result<void> {
        std::error_code copied, none;
        if (fs::is_directory(remembered, none))
          fs::copy(remembered, folder, fs::copy_options::recursive, copied);
        if (copied) return Error{remembered + ": cannot be copied: " + copied.message()};
        return {};
      });
  if (!done) return done;
  if (fs::exists(plan.output + "/map.toml", error)) {
    Result<std::string> map = ReadFile(plan.output + "/map.toml");
    if (!map) return map.error();
    if (Result<void> written = WriteFile(Path("map.toml"), *map); !written) return written;
  }
  json text = {{"series", plan.series},
               {"onto", plan.onto},
               {"from", plan.from},
               {"output", plan.output},
               {"build", plan.build}};
  return WriteFile(Path("plan.json"), text.dump(2) + "\n");
}

Result<Maps> Session::ReadMaps() const {
  if (!fs::exists(Path("map.toml"))) return Maps();
  Result<std::string> text = ReadFile(Path("map.toml"));
  if (!text) return text.error();
  return ParseMaps(*text, Path("map.toml"));
}

size_t Session::Step() const {
  size_t step = 0;
  while (fs::exists(Path("resolutions/" + std::to_string(step + 1)))) ++step;
  return step;
}

Result<Resolutions> Session::ReadResolutions() const {
  Resolutions resolutions;
  std::error_code error;
  for (const auto& entry :
       fs::directory_iterator(Path("resolutions/" + std::to_string(Step())), error)) {
    std::string name = entry.path().filename();
    Result<std::string> bytes = ReadFile(entry.path());
    if (!bytes) return bytes.error();
    Result<Patch> patch = ParsePatch(*bytes, entry.path());
    if (!patch) return patch.error();
    Dep3 dep3 = ParseDep3(patch->header);
    const Dep3Field* of = dep3.Find("Resolves");
    if (!of) return Error{entry.path().string() + ": has no Resolves: line"};
    resolutions[of->value] = std::move(*patch);
  }
  return resolutions;
}

std::string Session::Working() const {
  Result<std::string> name = ReadFile(Path("working"));
  return name ? std::string(Trim(*name)) : "";
}

Result<void> Session::Write(const Plan& plan, const RebaseOutcome& outcome, const Series& series,
                            const Maps& given, const std::string& open) {
  if (auto done = WriteFile(Path("map.toml"), PrintMaps(given, outcome.verdict)); !done)
    return done;
  if (auto done = WriteFile(Path("verdict.json"), ToJson(outcome.verdict).dump(2) + "\n"); !done)
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
          if (auto written = WriteFile(folder + "/" + path, file->text.bytes()); !written)
            return written;
      if (auto written =
              WriteFile(folder + "/" + kHeadFile, *name == 'b' ? files.automatic_head : files.head);
          !written)
        return written;
      if (*name == 'w')
        for (const auto& [path, text] : files.conflicts)
          if (auto written = WriteFile(folder + "/" + path, text); !written) return written;
      return {};
    });
    if (!done) return done;
  }
  if (auto done = WriteFile(Path("working"), working + "\n"); !done) return done;

  return FillFolder(Path("series"), [&](const std::string& folder) -> Result<void> {
    std::error_code error, none;
    // Everything else in the folder stays: a README, other files of the maintainer.
    if (fs::is_directory(plan.output, none))
      fs::copy(plan.output, folder, fs::copy_options::recursive | fs::copy_options::copy_symlinks,
               error);
    if (error) return Error{plan.output + ": cannot be copied: " + error.message()};
    std::string list;
    size_t i = 0;
    for (const SeriesEntry& entry : series.file.entries) {
      if (entry.patch.empty()) {
        list += entry.raw;
        continue;
      }
      const PatchVerdict& patch = patches[i++];
      if (patch.text.empty()) {
        fs::remove(folder + "/" + entry.patch, error);
        list += "# " + entry.patch + ": upstream\n";
        continue;
      }
      list +=
          patch.unchanged || (entry.strip == 1 && !entry.reverse) ? entry.raw : entry.patch + "\n";
      // The modes of a patch's own file are kept.
      std::string from = plan.series + "/" + entry.patch, to = folder + "/" + entry.patch;
      if (auto written = WriteFile(to, patch.text); !written) return written;
      if (fs::exists(from, error))
        fs::permissions(to, fs::status(from, error).permissions(), error);
    }
    if (auto written = WriteFile(folder + "/series", list); !written) return written;
    fs::remove_all(folder + "/resolutions", error);
    std::string remembered = Path("resolutions/" + std::to_string(Step()));
    if (fs::is_directory(remembered, error) && !fs::is_empty(remembered, error))
      fs::copy(remembered, folder + "/resolutions", fs::copy_options::recursive, error);
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
    if (path == kHeadFile) {
      before = TreeFile{Text(files.automatic_head), 0100644};
    } else if (automatic != files.automatic.end()) {
      before = automatic->second;
    } else {
      before = Before(outcome, at, path);
    }
    if (before && there && before->text.bytes() == now.bytes()) continue;
    FileChange change;
    change.header = "--- " + (before ? "a/" + path : "/dev/null") + "\n+++ " +
                    (there ? "b/" + path : "/dev/null") + "\n";
    change.hunks = DiffHunks(before ? before->text : Text(), now);
    edit.files.push_back(std::move(change));
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
                      return WriteFile(folder + "/" + ResolutionFile(name), Print(edit));
                    });
}

Result<void> Session::Finish(const Plan& plan) {
  // Which of the two folders is the result is told by its inode: it stays with it through the
  // exchange.
  struct stat status;
  if (stat(Path("series").c_str(), &status) != 0) return Error{Path("series") + ": is not there"};
  if (auto done = WriteFile(Path("ending"), std::to_string(status.st_ino) + "\n"); !done)
    return done;
  std::error_code error;
  if (fs::exists(plan.output, error)) {
    if (!Exchange(Path("series"), plan.output)) return Error{plan.output + ": cannot be replaced"};
  } else {
    fs::create_directories(fs::path(plan.output).parent_path(), error);
    fs::rename(Path("series"), plan.output, error);
  }
  if (error) return Error{plan.output + ": cannot be put in place: " + error.message()};
  for (const char* name : {"work", "base", "working"}) fs::remove_all(Path(name), error);
  return {};
}

Result<std::string> Session::Undo(const Plan& plan) {
  std::error_code error;
  if (Finished()) {
    if (fs::exists(Path("series"), error)) {
      if (!Exchange(Path("series"), plan.output))
        return Error{plan.output + ": cannot be replaced"};
    } else {
      fs::rename(plan.output, Path("undone"), error);
    }
    fs::remove_all(folder_, error);
    return plan.output + " is as it was before the rebase";
  }
  size_t step = Step();
  if (step == 0) {
    fs::remove_all(folder_, error);
    return std::string("the rebase is given up; ") + plan.output + " was not touched";
  }
  fs::rename(Path("resolutions/" + std::to_string(step)), Path("undone"), error);
  fs::remove_all(Path("undone"), error);
  return std::string("the last edit is taken back");
}

}  // namespace restack::cli
