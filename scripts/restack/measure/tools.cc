// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools.h"

#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <set>

#include "restack/apply.h"
#include "restack/folder.h"

namespace restack::measure {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

struct Command {
  int status = 0;
  std::string output;
};

/// A shell command in a folder; both outputs. Our own fixed words and paths below the work folder
/// only.
Command Run(const std::string& folder, const std::string& command) {
  Command result;
  std::string line = "cd '" + folder + "' && { " + command + "; } 2>&1 </dev/null";
  FILE* pipe = popen(line.c_str(), "r");
  if (!pipe) return {127, "cannot be started"};
  char buffer[65536];
  for (size_t size; (size = fread(buffer, 1, sizeof buffer, pipe)) > 0;)
    result.output.append(buffer, size);
  int status = pclose(pipe);
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
  return result;
}

size_t HunksOf(const Patch& patch) {
  size_t count = 0;
  for (const FileChange& file : patch.files) count += file.hunks.size();
  return count;
}

std::optional<std::string> Read(const std::string& file) {
  std::error_code error;
  if (!fs::is_regular_file(file, error)) return std::nullopt;
  Result<std::string> bytes = ReadFile(file);
  if (!bytes) return std::nullopt;
  return *bytes;
}

std::map<std::string, std::string> ReadAll(const std::string& folder,
                                           const std::set<std::string>& paths) {
  std::map<std::string, std::string> files;
  for (const std::string& path : paths)
    if (auto bytes = Read(folder + "/" + path)) files[path] = *bytes;
  return files;
}

std::set<std::string> PathsOf(const Ground& ground, size_t patch) {
  std::set<std::string> paths;
  for (const FileChange& file : ground.series->patches[patch].files) {
    paths.insert(file.OldPath(ground.series->strip[patch]));
    paths.insert(file.Path(ground.series->strip[patch]));
  }
  return paths;
}

/// For each hunk of a patch in order: does patch(1) say that it failed? It counts per file.
std::vector<bool> Claims(const Patch& patch, int strip, const std::string& output) {
  std::set<std::pair<std::string, size_t>> failed;
  std::set<std::string> gone;
  std::string file;
  for (std::string_view view : SplitLines(output)) {
    std::string line(Trim(view));
    if (StartsWith(line, "patching file ")) {
      file = line.substr(14);
      file = file.substr(0, file.find(" ("));
    }
    if (StartsWith(line, "Hunk #") && line.find("FAILED") != std::string::npos)
      failed.insert({file, static_cast<size_t>(std::atol(line.c_str() + 6))});
    if (line.find("No file to patch") != std::string::npos ||
        line.find("hunks ignored") != std::string::npos ||
        line.find("hunk ignored") != std::string::npos ||
        line.find("Skipping patch") != std::string::npos)
      gone.insert(file);
    if (StartsWith(line, "can't find file to patch")) file = "?";
  }
  std::vector<bool> claims;
  for (const FileChange& change : patch.files) {
    std::string path = change.Path(strip);
    for (size_t i = 0; i < change.hunks.size(); ++i) {
      // A file that patch never opened is not named in its output.
      bool named = output.find("patching file " + path) != std::string::npos;
      claims.push_back(named && !failed.count({path, i + 1}) && !gone.count(path));
    }
  }
  return claims;
}

Result<void> Write(const std::string& folder, const Tree& tree) {
  for (const std::string& path : tree.Paths()) {
    Result<std::optional<TreeFile>> file = tree.Read(path);
    if (!file || !*file || (*file)->mode == 0120000)
      continue;  // an image that the store does not keep
    std::string to = folder + "/" + path;
    fs::create_directories(fs::path(to).parent_path());
    if (auto done = WriteFile(to, (*file)->text.bytes()); !done) return done;
  }
  return {};
}

constexpr const char* kGit =
    "git -c user.name=m -c user.email=m@localhost -c commit.gpgsign=false -c gc.auto=0 ";

/// A tree of its own for a tool, of the branch "target".
std::string Fresh(const Ground& ground, const std::string& tool) {
  std::string folder = ground.work + "/" + tool;
  fs::remove_all(folder);
  Run(ground.work, "git clone -q --shared -b target '" + ground.repository + "' '" + folder + "'");
  return folder;
}

/// As a mail: what git am reads.
std::string Mail(const Patch& patch, std::string_view bytes) {
  std::string body(bytes.substr(patch.header.size()));
  return "From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\nFrom: m "
         "<m@localhost>\nSubject: " +
         patch.name + "\n\n---\n" + body;
}

template <class Step>
ToolRun Each(const Ground& ground, const std::string& name, const std::string& folder, Step step) {
  ToolRun run{name, 0, {}};
  for (size_t i = 0; i < ground.series->patches.size(); ++i) {
    Outcome outcome;
    std::set<std::string> paths = PathsOf(ground, i);
    outcome.before = ReadAll(folder, paths);
    auto start = Clock::now();
    std::set<std::string> more = step(i, outcome);
    run.seconds += std::chrono::duration<double>(Clock::now() - start).count();
    for (const std::string& path : more) {
      if (paths.count(path)) continue;
      paths.insert(path);
      Command old = Run(folder, "git show 'HEAD~1:" + path + "'");
      if (old.status == 0) outcome.before[path] = old.output;
    }
    outcome.after = ReadAll(folder, paths);
    run.patches.push_back(std::move(outcome));
  }
  return run;
}

std::set<std::string> Committed(const std::string& folder) {
  std::set<std::string> paths;
  Command names = Run(folder, "git show --format= --name-only --no-renames HEAD");
  for (std::string_view line : SplitLines(names.output)) paths.insert(std::string(Trim(line)));
  return paths;
}

}  // namespace

Result<Ground> Prepare(const std::string& folder, const Series& series, const Tree& base,
                       const Tree& target) {
  for (const char* tool : {"git", "quilt", "patch", "wiggle"})
    if (Run(".", std::string("command -v ") + tool).status != 0)
      return Error{std::string(tool) + " is not installed: it is one of those that are compared"};
  // Every command runs in a folder of its own.
  std::string work = fs::absolute(folder);
  Ground ground{work, work + "/repository", {}, &series};
  fs::remove_all(work);
  fs::create_directories(ground.repository);
  std::string& repository = ground.repository;
  Run(repository, "git init -q -b base && git config core.autocrlf false && git config gc.auto 0");
  for (const Tree* tree : {&base, &target}) {
    bool first = tree == &base;
    if (!first) Run(repository, "git checkout -q --orphan target base && git rm -rqf .");
    if (auto done = Write(repository, *tree); !done) return done.error();
    Command commit = Run(repository, std::string("git add -Af && ") + kGit + "commit -qm tree");
    if (commit.status != 0) return Error{repository + ": git commit: " + commit.output};
  }
  // The series as commits, made by our own exact application.
  Run(repository, "git checkout -q -f base && git checkout -q -b series");
  for (size_t i = 0; i < series.patches.size(); ++i) {
    Result<std::shared_ptr<Tree>> here = OpenDirectory(repository);
    if (!here) return here.error();
    MemoryTree tree(*here);
    Patch patch = series.reverse[i] ? Reversed(series.patches[i]) : series.patches[i];
    std::string commit;
    if (ApplyPatch(patch, series.strip[i], tree)) {
      for (const auto& [path, file] : tree.changes()) {
        if (!file) {
          fs::remove(repository + "/" + path);
        } else if (auto done = WriteFile(repository + "/" + path, file->text.bytes()); !done) {
          return done.error();
        }
      }
      Run(repository, std::string("git add -Af && ") + kGit + "commit -q --allow-empty -m '" +
                          patch.name + "'");
      commit = std::string(Trim(Run(repository, "git rev-parse HEAD").output));
    }
    ground.commits.push_back(commit);
    if (auto done = WriteFile(work + "/patches/" + series.patches[i].name, series.originals[i]);
        !done)
      return done.error();
    if (auto done = WriteFile(work + "/mails/" + series.patches[i].name,
                              Mail(series.patches[i], series.originals[i]));
        !done)
      return done.error();
  }
  return ground;
}

Result<ToolRun> Quilt(const Ground& ground, const std::string& fuzz) {
  std::string folder = Fresh(ground, "quilt" + fuzz);
  std::string options = fuzz.empty() ? "" : "--fuzz=" + fuzz + " ";
  std::string list;
  for (size_t i = 0; i < ground.series->patches.size(); ++i)
    list += ground.series->patches[i].name + " -p" + std::to_string(ground.series->strip[i]) + "\n";
  fs::copy(ground.work + "/patches", folder + "/.patches", fs::copy_options::recursive);
  if (auto done = WriteFile(folder + "/.patches/series", list); !done) return done.error();
  return Each(
      ground, fuzz.empty() ? "quilt" : "quilt --fuzz=" + fuzz, folder,
      [&](size_t i, Outcome& outcome) {
        // -f applies what can be applied, as a maintainer does who then looks at the rejects.
        Command push =
            Run(folder, "QUILT_PATCHES=.patches LC_ALL=C quilt --quiltrc=- push " + options + "-f");
        outcome.claims = Claims(ground.series->patches[i], ground.series->strip[i], push.output);
        Run(folder, "QUILT_PATCHES=.patches quilt --quiltrc=- refresh -f >/dev/null");
        return std::set<std::string>();
      });
}

Result<ToolRun> GitAm(const Ground& ground) {
  std::string folder = Fresh(ground, "am");
  Run(folder, "git fetch -q origin base series");
  return Each(ground, "git am -3", folder, [&](size_t i, Outcome& outcome) {
    const Patch& patch = ground.series->patches[i];
    Command am =
        Run(folder, std::string(kGit) + "am -3 -p" + std::to_string(ground.series->strip[i]) +
                        " '" + ground.work + "/mails/" + patch.name + "'");
    outcome.claims.assign(HunksOf(patch), am.status == 0);
    if (am.status != 0) Run(folder, "git am --abort; git reset -q --hard");
    bool empty = am.output.find("No changes -- Patch already applied") != std::string::npos;
    return am.status == 0 && !empty ? Committed(folder) : std::set<std::string>();
  });
}

Result<ToolRun> GitCherryPick(const Ground& ground) {
  std::string folder = Fresh(ground, "pick");
  Run(folder, "git fetch -q origin base series");
  return Each(ground, "git rebase", folder, [&](size_t i, Outcome& outcome) {
    size_t hunks = HunksOf(ground.series->patches[i]);
    if (ground.commits[i].empty()) {
      outcome.claims.assign(hunks, false);
      return std::set<std::string>();
    }
    Command pick = Run(folder, std::string(kGit) + "cherry-pick " + ground.commits[i]);
    bool empty = pick.status != 0 &&
                 pick.output.find("The previous cherry-pick is now empty") != std::string::npos;
    outcome.claims.assign(hunks, pick.status == 0 || empty);
    if (pick.status != 0) Run(folder, "git cherry-pick --abort; git reset -q --hard");
    return pick.status == 0 ? Committed(folder) : std::set<std::string>();
  });
}

Result<ToolRun> PatchAndWiggle(const Ground& ground) {
  std::string folder = Fresh(ground, "wiggle");
  return Each(ground, "patch + wiggle", folder, [&](size_t i, Outcome& outcome) {
    const Patch& patch = ground.series->patches[i];
    int strip = ground.series->strip[i];
    Command run = Run(folder, "patch -f --fuzz=0 -p" + std::to_string(strip) + " < '" +
                                  ground.work + "/patches/" + patch.name + "'");
    outcome.claims = Claims(patch, strip, run.output);
    size_t hunk = 0;
    for (const FileChange& file : patch.files) {
      std::string path = file.Path(strip);
      bool rejected = fs::exists(folder + "/" + path + ".rej");
      bool merged =
          rejected && Run(folder, "wiggle --replace '" + path + "' '" + path + ".rej'").status == 0;
      // With a conflict it leaves markers, which say what is open.
      if (rejected && !merged && fs::exists(folder + "/" + path + ".porig"))
        Run(folder, "mv -f '" + path + ".porig' '" + path + "'");
      for (size_t h = 0; h < file.hunks.size(); ++h, ++hunk)
        if (merged) outcome.claims[hunk] = true;
      Run(folder, "rm -f '" + path + ".rej' '" + path + ".orig' '" + path + ".porig'");
    }
    return std::set<std::string>();
  });
}

Result<ToolRun> Restack(const RebaseInput& input) {
  ToolRun run{"restack", 0, {}};
  auto start = Clock::now();
  Result<RebaseOutcome> outcome = Rebase(input);
  if (!outcome) return outcome.error();
  run.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  for (size_t i = 0; i < outcome->files.size(); ++i) {
    Outcome one;
    const auto& hunks = outcome->verdict.patches[i].hunks;
    size_t at = 0;
    for (const FileChange& file : input.series->patches[i].files) {
      if (at < hunks.size() && hunks[at].number == 0) ++at;  // a mode or a rename
      for (size_t h = 0; h < file.hunks.size(); ++h)
        one.claims.push_back(at < hunks.size() && !hunks[at++].Open());
    }
    for (const auto& [path, file] : outcome->files[i].before)
      if (file) one.before[path] = file->text.bytes();
    for (const auto& [path, file] : outcome->files[i].after)
      if (file) one.after[path] = file->text.bytes();
    run.patches.push_back(std::move(one));
  }
  return run;
}

}  // namespace restack::measure
