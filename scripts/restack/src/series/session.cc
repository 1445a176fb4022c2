// SPDX-License-Identifier: GPL-2.0-or-later
#include "restack/session.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "formats/patch_writer.h"
#include "restack/apply.h"
#include "restack/dep3.h"
#include "restack/folder.h"
#include "restack/json_report.h"

namespace restack {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

/// Both folders take each other's name in one step, so that OUTPUT is never missing.
bool Exchange(const std::string& a, const std::string& b) {
  return syscall(SYS_renameat2, AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(),
                 2u /* RENAME_EXCHANGE */) == 0;
}

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

Result<void> FillFolder(const std::string& folder,
                        const std::function<Result<void>(const std::string&)>& fill) {
  std::error_code error;
  std::string partial = folder + ".new";
  fs::remove_all(partial, error);
  fs::create_directories(partial, error);
  if (error) return Error{partial + ": cannot be made: " + error.message()};
  if (Result<void> done = fill(partial); !done) {
    fs::remove_all(partial, error);
    return done;
  }
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

namespace {

/// A plan's text may have any byte, and JSON may not: % and what is not ASCII as %XX.
std::string Escaped(const std::string& text) {
  std::string result;
  for (unsigned char c : text) {
    char hex[4];
    std::snprintf(hex, sizeof hex, "%%%02X", c);
    result += c == '%' || c >= 0x7f ? hex : std::string(1, static_cast<char>(c));
  }
  return result;
}

std::string Unescaped(const std::string& text) {
  std::string result;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%' || at + 2 >= text.size()) {
      result += text[at];
      continue;
    }
    result += static_cast<char>(std::strtol(text.substr(at + 1, 2).c_str(), nullptr, 16));
    at += 2;
  }
  return result;
}

/// Copies a folder with all that is in it, links as links.
Result<void> CopyFolder(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::copy(from, to, fs::copy_options::recursive | fs::copy_options::copy_symlinks, error);
  if (error) return Error{from + ": cannot be copied: " + error.message()};
  return {};
}

}  // namespace

Result<std::unique_ptr<Session>> Session::Open(const std::string& given) {
  std::string output = given;
  while (output.size() > 1 && output.back() == '/') output.pop_back();
  std::error_code error;
  if (fs::is_symlink(fs::symlink_status(output, error))) {
    fs::path real = fs::canonical(output, error);
    if (error) return Error{given + ": is a symbolic link that leads nowhere"};
    output = real.string();
  }
  if (fs::exists(output, error) && !fs::is_directory(output, error))
    return Error{given + ": is a file; the moved series needs a folder"};
  // The rest of an output's folder is kept by copying it: not of a folder for other things.
  if (fs::is_directory(output, error) && !fs::is_empty(output, error) &&
      !fs::exists(output + "/series", error))
    return Error{given + ": has files and no series; give a new folder for the moved series"};
  std::unique_ptr<Session> session(new Session(std::move(output)));
  if (Result<void> locked = session->Lock(); !locked) return locked.error();
  return session;
}

Result<void> Session::Lock() {
  std::error_code error;
  for (int tries = 0; tries < 100; ++tries) {
    std::vector<std::string> missing;
    for (fs::path up = fs::path(folder_).parent_path(); !up.empty() && !fs::exists(up, error);
         up = up.parent_path())
      missing.push_back(up.string());
    made_.insert(made_.end(), missing.begin(), missing.end());
    fs::create_directories(folder_, error);
    if (error) return Error{folder_ + ": cannot be made: " + error.message()};
    lock_ = open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (lock_ < 0) {
      if (fs::exists(fs::symlink_status(folder_, error)))
        return Error{folder_ + ": is not a folder"};
      continue;  // another process has just taken it away
    }
    if (flock(lock_, LOCK_EX | LOCK_NB) != 0) {
      close(lock_);
      lock_ = -1;
      return Error{"another restack works on " + output_ + ": wait for it to end"};
    }
    struct stat here, held;
    if (stat(folder_.c_str(), &here) == 0 && fstat(lock_, &held) == 0 &&
        here.st_ino == held.st_ino && here.st_dev == held.st_dev)
      return {};
    close(lock_);
    lock_ = -1;
  }
  return Error{folder_ + ": cannot be locked"};
}

Session::~Session() {
  if (lock_ < 0) return;
  if (rmdir(folder_.c_str()) == 0 && !fs::exists(output_))
    for (const std::string& folder : made_)
      if (rmdir(folder.c_str()) != 0) break;
  close(lock_);
}

void Session::Empty() {
  // The folder itself stays: it is what the lock is on.
  std::error_code error;
  // The plan first: without it, there is no session.
  fs::remove(Path("plan.json"), error);
  for (const auto& entry : fs::directory_iterator(folder_, error))
    fs::remove_all(entry.path(), error);
}

void Session::Abandon() { Empty(); }

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
  auto value = [&](const char* name) {
    auto at = plan.find(name);
    return at != plan.end() && at->is_string() ? Unescaped(at->get<std::string>()) : std::string();
  };
  return Plan{value("series"), value("onto"), value("from"), value("output"), value("build")};
}

Result<void> Session::Begin(const Plan& plan) {
  if (Exists() && !Finished())
    return Error{folder_ + ": a rebase is under way; `restack continue` or `restack undo`"};
  Empty();  // of one that has ended: its undo ends with a new one
  // Edits remembered from the last time that this output was made are where this rebase starts.
  std::error_code error;
  std::string remembered = output_ + "/resolutions";
  fs::create_directories(Path("resolutions"), error);
  Result<void> done =
      FillFolder(Path("resolutions/0"), [&](const std::string& folder) -> Result<void> {
        std::error_code none;
        return fs::is_directory(remembered, none) ? CopyFolder(remembered, folder)
                                                  : Result<void>();
      });
  if (!done) return done;
  if (fs::exists(output_ + "/map.toml", error)) {
    Result<std::string> map = ReadFile(output_ + "/map.toml");
    if (!map) return map.error();
    if (Result<void> written = WriteFile(Path("map.toml"), *map); !written) return written;
  }
  json text = {{"series", Escaped(plan.series)},
               {"onto", Escaped(plan.onto)},
               {"from", Escaped(plan.from)},
               {"output", Escaped(plan.output)},
               {"build", Escaped(plan.build)}};
  return WriteFile(Path("plan.json"), text.dump(2) + "\n");
}

size_t Session::Step() const {
  size_t step = 0;
  while (fs::exists(Path("resolutions/" + std::to_string(step + 1)))) ++step;
  return step;
}

Result<Remembered> Session::ReadRemembered() const {
  bool under_way = Exists() && !Finished();
  std::string map = under_way ? Path("map.toml") : output_ + "/map.toml";
  std::string edits = under_way ? Path("resolutions/" + std::to_string(Step()))
                                : output_ + "/resolutions";
  Remembered remembered;
  if (std::error_code error; fs::exists(map, error)) {
    Result<std::string> text = ReadFile(map);
    if (!text) return text.error();
    Result<Maps> maps = ParseMaps(*text, map);
    if (!maps) return maps.error();
    remembered.maps = std::move(*maps);
  }
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(edits, error)) {
    Result<std::string> bytes = ReadFile(entry.path());
    if (!bytes) return bytes.error();
    Result<Patch> patch = ParsePatch(*bytes, entry.path());
    if (!patch) return patch.error();
    Dep3 dep3 = ParseDep3(patch->header);
    const Dep3Field* of = dep3.Find("Resolves");
    if (!of) return Error{entry.path().string() + ": has no Resolves: line"};
    remembered.resolutions[of->value] = std::move(*patch);
  }
  return remembered;
}

std::string Session::Working() const {
  Result<std::string> name = ReadFile(Path("working"));
  return name ? std::string(Trim(*name)) : "";
}

Result<void> Session::Write(const Plan& plan, const RebaseOutcome& outcome, const Series& series,
                            const Maps& given, const std::string& open) {
  if (auto done = WriteFile(Path("map.toml"), PrintMaps(given, outcome.verdict)); !done)
    return done;
  if (auto done = WriteFile(Path("verdict.json"), JsonReport(outcome.verdict) + "\n"); !done)
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
          if (auto written = WriteBelow(folder, path, file->text.bytes()); !written)
            return written;
      if (auto written =
              WriteFile(folder + "/" + files.head_file,
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
        list += "# " + entry.patch + (patch.Upstream() ? ": upstream\n" : ": nothing is left of it\n");
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
                      if (copied)
                        return Error{folder + ": cannot be written: " + copied.message()};
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

Result<void> Session::Finish() {
  // Which of the two folders is the result is told by its inode: it stays with it through the
  // exchange.
  struct stat status;
  if (stat(Path("series").c_str(), &status) != 0) return Error{Path("series") + ": is not there"};
  if (auto done = WriteFile(Path("ending"), std::to_string(status.st_ino) + "\n"); !done)
    return done;
  std::error_code error;
  if (fs::exists(output_, error)) {
    if (!Exchange(Path("series"), output_)) return Error{output_ + ": cannot be replaced"};
  } else {
    fs::create_directories(fs::path(output_).parent_path(), error);
    fs::rename(Path("series"), output_, error);
  }
  if (error) return Error{output_ + ": cannot be put in place: " + error.message()};
  for (const char* name : {"work", "base", "working"}) fs::remove_all(Path(name), error);
  return {};
}

Result<std::string> Session::Undo() {
  std::error_code error;
  if (Finished()) {
    if (fs::exists(Path("series"), error)) {
      if (!Exchange(Path("series"), output_))
        return Error{output_ + ": cannot be replaced"};
    } else {
      fs::rename(output_, Path("undone"), error);
    }
    Empty();
    return output_ + " is as it was before the rebase";
  }
  size_t step = Step();
  if (step == 0) {
    Empty();
    return std::string("the rebase is given up; ") + output_ + " was not touched";
  }
  fs::rename(Path("resolutions/" + std::to_string(step)), Path("undone"), error);
  fs::remove_all(Path("undone"), error);
  return std::string("the last edit is taken back");
}

}  // namespace restack
