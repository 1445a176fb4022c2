// SPDX-License-Identifier: GPL-2.0-or-later
// A series on its way to files: an input is a series and its files, each behind a line "%% KIND
// NAME" (KIND: series, patch, base, link). Whatever they are, the series is moved, exported and
// imported within the folder that is given, and nothing is written outside it.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "fuzz.h"
#include "restack/apply.h"
#include "restack/folder.h"
#include "restack/git_series.h"
#include "restack/rebase.h"
#include "restack/semantic.h"
#include "restack/session.h"

using namespace restack;
using fuzz::Must;

namespace {

namespace fs = std::filesystem;

/// A folder of its own for the process: ROOT/in is what restack is given, ROOT/outside is not.
class Room {
 public:
  Room() {
    std::error_code error;
    fs::path parent = fs::is_directory("/dev/shm", error) ? "/dev/shm" : fs::temp_directory_path();
    std::string pattern = parent / "restack-fuzz-XXXXXX";
    Must(mkdtemp(pattern.data()) != nullptr, "a folder can be made");
    root_ = pattern;
    fs::create_directories(root_ / "outside");
    fs::create_directories(root_ / "here");
    Must(chdir((root_ / "here").c_str()) == 0, "a folder can be entered");
  }
  ~Room() {
    std::error_code error;
    fs::remove_all(root_, error);
  }
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;

  std::string Fresh() {
    fs::remove_all(root_ / "in");
    fs::create_directories(root_ / "in");
    return root_ / "in";
  }
  std::string Outside() const { return root_ / "outside"; }
  void MustBeLeftAlone() const {
    size_t names = 0;
    for (const auto& entry : fs::directory_iterator(root_)) {
      std::string name = entry.path().filename();
      Must(name == "in" || name == "outside" || name == "here", "nothing is made outside");
      ++names;
    }
    Must(names == 3, "nothing is removed outside");
    Must(fs::is_empty(root_ / "outside"), "nothing is written through a link");
    Must(fs::is_empty(root_ / "here"), "nothing is written where the process is");
  }

 private:
  fs::path root_;
};

struct Input {
  MemoryTree patches{nullptr, "patches"};
  std::shared_ptr<MemoryTree> base = std::make_shared<MemoryTree>(nullptr, "base");
};

void Take(std::string_view bytes, const std::string& outside, Input& input) {
  std::string kind, name, text;
  auto end = [&] {
    if (kind == "series") input.patches.Write("series", {Text(text)});
    if (name.empty()) return;
    if (kind == "patch") input.patches.Write(name, {Text(text)});
    // The paths of a tree are clean; whoever makes a tree ensures that.
    bool clean = !name.starts_with('/') && ("/" + name + "/").find("/../") == std::string::npos &&
                 ("/" + name + "/").find("/./") == std::string::npos &&
                 name.find("//") == std::string::npos && !name.ends_with('/') &&
                 name.find('\0') == std::string::npos && name.size() < 200;
    if (!clean) return;
    if (kind == "base") input.base->Write(name, {Text(text)});
    if (kind == "link") input.base->Write(name, {Text(outside), 0120000});
  };
  for (std::string_view line : SplitLines(bytes)) {
    if (!line.starts_with("%% ")) {
      text += line;
      continue;
    }
    end();
    text.clear();
    std::string_view head = Trim(line.substr(3));
    size_t space = std::min(head.find(' '), head.size());
    kind = head.substr(0, space);
    name = head.substr(std::min(space + 1, head.size()));
  }
  end();
}

/// The base as files; false when the file system cannot have it (a file below a file).
bool WriteBase(const std::string& folder, const Tree& base) {
  for (const std::string& path : base.Paths()) {
    TreeFile file = **base.Read(path);
    std::error_code error;
    fs::path to = fs::path(folder) / path;
    fs::create_directories(to.parent_path(), error);
    if (error) return false;
    if (file.mode == 0120000) {
      fs::create_symlink(file.text.bytes(), to, error);
      if (error) return false;
    } else if (!WriteBelow(folder, path, file.text.bytes())) {
      return false;
    }
  }
  return true;
}

void MoveSeries(const std::string& folder, const Series& series, const RebaseOutcome& outcome) {
  Plan plan{"patches", "target", "base", folder + "/out", ""};
  Result<std::unique_ptr<Session>> session = Session::Open(plan.output);
  if (!session || !(*session)->Begin(plan)) return;
  if (!(*session)->Write(plan, outcome, series, {}, "")) {
    (*session)->Abandon();
    return;
  }
  if (!outcome.verdict.Open()) (void)(*session)->Finish();
  (void)(*session)->TakeWork(outcome);
  Must(static_cast<bool>((*session)->ReadRemembered()), "what was remembered can be read");
  Must(static_cast<bool>((*session)->Undo()), "it can be taken back");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Room room;
  Input input;
  std::string folder = room.Fresh();
  Take(fuzz::Bytes(data, size), room.Outside(), input);
  Result<Series> series = ReadSeries(input.patches);
  if (!series) return 0;
  std::string tree = folder + "/tree";
  fs::create_directories(tree);
  if (!WriteBase(tree, *input.base)) return 0;

  MemoryTree applied(input.base);
  bool applies = true;
  for (size_t i = 0; i < series->patches.size() && applies; ++i) {
    Patch patch = series->reverse[i] ? Reversed(series->patches[i]) : series->patches[i];
    applies = static_cast<bool>(ApplyPatch(patch, series->strip[i], applied));
  }
  if (applies) (void)WriteLanded(tree, *input.base, applied);
  room.MustBeLeftAlone();

  RebaseInput run;
  run.series = &*series;
  run.bases = {input.base};
  run.target = input.base;
  if (Result<RebaseOutcome> outcome = Rebase(run)) {
    Must(outcome->verdict.patches.size() == series->patches.size(), "each patch has its verdict");
    if (applies)
      for (const PatchVerdict& patch : outcome->verdict.patches)
        Must(patch.unchanged || !patch.notes.empty() || patch.Open(),
             "what applies stays as it is on its own base");
    MoveSeries(folder, *series, *outcome);
  }
  room.MustBeLeftAlone();

  std::string git = folder + "/git";
  if (ExportToGit(*series, *input.base, git, "restack", {})) {
    Must(applies, "only what applies is exported");
    Result<std::vector<SeriesFileBytes>> files = ImportFromGit(git, "restack");
    Must(static_cast<bool>(files), "what was exported is imported");
    for (const SeriesFileBytes& file : *files) {
      Result<std::optional<TreeFile>> original = input.patches.Read(file.name);
      Must(original && *original && (*original)->text.bytes() == file.bytes, "as the same bytes");
      (void)WriteBelow(folder + "/back", file.name, file.bytes);
    }
  }
  room.MustBeLeftAlone();
  return 0;
}
