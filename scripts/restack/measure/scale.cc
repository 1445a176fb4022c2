// SPDX-License-Identifier: GPL-2.0-or-later
// How time and memory grow with the input: each row in a process of its own. Not a test: it says
// what it took, and a person judges.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "restack/folder.h"
#include "restack/rebase.h"
#include "restack/store.h"

using namespace restack;

namespace {

std::string Line(const char* word, size_t i) {
  return std::string("    ") + word + "_" + std::to_string(i) + "(thing, " + std::to_string(i) +
         ");\n";
}

/// A file of `hunks` blocks of `lines` lines, of which a patch changes the middle one of each.
struct Shape {
  const char* path;
  size_t hunks, lines;
  bool functions;  ///< each block is a C function

  /// Line `i`; `word` is what the middle one of its block calls.
  std::string At(size_t i, const char* word) const {
    size_t in = i % lines;
    std::string number = std::to_string(i / lines);
    if (functions && in == 0) return "static void f" + number + "(struct thing *thing)\n";
    if (functions && in == 1) return "{\n";
    if (functions && in == lines - 2) return "}\n";
    if (functions && in == lines - 1) return "\n";
    return Line(in == lines / 2 ? word : "call", i);
  }
  std::string File(const char* word) const {
    std::string text;
    for (size_t i = 0; i < hunks * lines; ++i) text += At(i, word);
    return text;
  }
  std::string Patch() const {
    std::string patch =
        std::string("Description: many hunks\n\n--- a/") + path + "\n+++ b/" + path + "\n";
    for (size_t h = 0; h < hunks; ++h) {
      size_t at = h * lines + lines / 2;
      std::string head = std::to_string(at - 2) + ",7";
      patch += "@@ -" + head + " +" + head + " @@\n";
      for (size_t i = at - 3; i <= at + 3; ++i)
        patch += i == at ? "-" + At(i, "old") + "+" + At(i, "patched") : " " + At(i, "old");
    }
    return patch;
  }
};

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/// Takes the time of what follows, and prints a row with the memory of the process.
class Row {
 public:
  void Print(const std::string& what, const SeriesVerdict& verdict) const {
    double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
    size_t upstream = verdict.Count(Grade::kUpstream), open = verdict.Count(Grade::kConflict);
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    std::printf("| %s | %zu | %zu | %zu | %.2f | %.2f | %ld |\n", what.c_str(),
                verdict.Hunks() - upstream - open, upstream, open, seconds, CpuSeconds() - cpu_,
                usage.ru_maxrss / 1024);
    std::fflush(stdout);
  }

 private:
  double cpu_ = CpuSeconds();
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

template <class T>
T Get(Result<T> result) {
  if (result) return std::move(*result);
  std::fprintf(stderr, "%s\n", result.error().message.c_str());
  _exit(2);
}

/// Lands the hunks on a target whose middle lines call `there`.
void Land(const std::string& what, const Shape& shape, const char* there) {
  auto patches = std::make_shared<MemoryTree>(nullptr, "patches");
  patches->Write("series", {Text("a.patch\n")});
  patches->Write("a.patch", {Text(shape.Patch())});
  Series series = Get(ReadSeries(*patches));
  patches.reset();
  auto tree = [&](const char* name, const char* word) {
    auto made = std::make_shared<MemoryTree>(nullptr, name);
    made->Write(shape.path, {Text(shape.File(word))});
    return made;
  };
  RebaseInput input;
  input.series = &series;
  input.bases = {tree("base", "old")};
  input.target = tree("target", there);
  Row row;
  RebaseOutcome outcome = Get(Rebase(input));
  row.Print(std::to_string(shape.hunks) + " " + what, outcome.verdict);
}

/// A patch of `size` bytes in a folder that makes `files` new files.
void LandNewFiles(size_t size, size_t files) {
  std::string folder = std::filesystem::temp_directory_path() / "restack-scale-XXXXXX";
  if (!mkdtemp(folder.data())) _exit(2);
  {
    std::ofstream patch(folder + "/big.patch");
    patch << "Description: a large patch\n\n";
    size_t each = size / files / 32;  // lines of 32 bytes, with their `+`
    for (size_t f = 0; f < files; ++f) {
      patch << "--- /dev/null\n+++ b/data/" << f << ".c\n@@ -0,0 +1," << each << " @@\n";
      for (size_t i = 0; i < each; ++i) {
        char line[64];
        std::snprintf(line, sizeof line, "+  { %7u, 0x%08x, true },\n",
                      static_cast<unsigned>(f) % 10000000u, static_cast<unsigned>(i) * 2654435761u);
        patch << line;
      }
    }
    std::ofstream(folder + "/series") << "big.patch\n";
  }
  Row row;
  {
    Series series = Get(ReadSeries(folder));
    RebaseInput input;
    input.series = &series;
    input.bases = {std::make_shared<MemoryTree>(nullptr, "base")};
    input.target = std::make_shared<MemoryTree>(nullptr, "target");
    RebaseOutcome outcome = Get(Rebase(input));
    row.Print(std::to_string(size / 1000000) + " MB in " + std::to_string(files) + " new files",
              outcome.verdict);
  }
  std::filesystem::remove_all(folder);
}

/// Reads two packages into an empty store, and moves Debian's own series of the one to the other.
void LandPackage(const std::string& packages, const std::string& from, const std::string& to) {
  std::string folder = std::filesystem::temp_directory_path() / "restack-scale-XXXXXX";
  if (!mkdtemp(folder.data())) _exit(2);
  Row row;
  {
    std::shared_ptr<Store> store = Get(Store::Open(folder, packages));
    if (Result<void> done = store->ReadAll({from, to}); !done) Get(Result<int>(done.error()));
    Series series = Get(ReadSeries(*Get(store->DebianPatches(from))));
    RebaseInput input;
    input.series = &series;
    input.bases = {Get(store->Find(from + "/orig"))};
    input.target = Get(store->Find(to));
    input.blob = [store](const std::string& id) { return store->Blob(id); };
    RebaseOutcome outcome = Get(Rebase(input));
    row.Print(from + " to " + to + ", cold", outcome.verdict);
  }
  std::filesystem::remove_all(folder);
}

void Apart(const std::function<void()>& run) {
  pid_t child = fork();
  if (child == 0) {
    run();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (status != 0) std::printf("| failed: status %d |\n", status);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 1 && argc != 4) {
    std::fprintf(stderr,
                 "usage: restack-scale [PACKAGES NAME=OLD NAME=NEW]\n"
                 "Without arguments: inputs that it makes itself.\n");
    return 2;
  }
  std::printf(
      "| | landed | upstream | for a person | seconds | of CPU | MiB |\n"
      "|---|---|---|---|---|---|---|\n");
  std::fflush(stdout);
  if (argc == 4) {
    Apart([&] { LandPackage(argv[1], argv[2], argv[3]); });
    return 0;
  }
  for (size_t hunks : {1000, 2000, 4000, 8000})
    Apart([&] { Land("conflicts in a text", {"big.txt", hunks, 20, false}, "otherwise"); });
  for (size_t hunks : {1000, 2000, 4000, 8000})
    Apart([&] { Land("conflicts in C functions", {"big.c", hunks, 20, true}, "otherwise"); });
  for (size_t hunks : {18750, 37500, 75000})
    Apart([&] { Land("hunks that land", {"big.txt", hunks, 16, false}, "old"); });
  for (size_t hunks : {18750, 75000})
    Apart([&] { Land("hunks that land in C functions", {"big.c", hunks, 16, true}, "old"); });
  for (size_t files : {1, 2000}) Apart([&] { LandNewFiles(200000000, files); });
  return 0;
}
