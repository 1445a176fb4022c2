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

#include "folders.h"
#include "restack/apply.h"
#include "restack/dep3.h"
#include "restack/folder.h"

namespace restack {

namespace fs = std::filesystem;
using nlohmann::json;

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
        return fs::is_directory(remembered, none) ? CopyFolder(remembered, folder) : Result<void>();
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
  std::string edits =
      under_way ? Path("resolutions/" + std::to_string(Step())) : output_ + "/resolutions";
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

Result<void> Session::Finish() {
  // Which of the two folders is the result is told by its inode: it stays with it through the
  // exchange.
  struct stat status;
  if (stat(Path("series").c_str(), &status) != 0) return Error{Path("series") + ": is not there"};
  if (auto done = WriteFile(Path("ending"), std::to_string(status.st_ino) + "\n"); !done)
    return done;
  std::error_code error;
  if (fs::exists(output_, error)) {
    if (!ExchangeFolders(Path("series"), output_)) return Error{output_ + ": cannot be replaced"};
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
      if (!ExchangeFolders(Path("series"), output_)) return Error{output_ + ": cannot be replaced"};
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
