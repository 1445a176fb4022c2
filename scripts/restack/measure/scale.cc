// SPDX-License-Identifier: GPL-2.0-or-later
// How time and memory grow with the input: each row in a process of its own. Not a test: it says
// what it took, and a person judges.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <functional>
#include <string>

#include "restack/folder.h"
#include "restack/rebase.h"

using namespace restack;

namespace {

std::string Line(const char* word, size_t i) {
  return std::string("    ") + word + "_" + std::to_string(i) + "(thing, " + std::to_string(i) +
         ");\n";
}

/// A file of `hunks` blocks of `lines` lines; `changed` gives the text of the middle line of each.
std::string File(size_t hunks, size_t lines, const std::function<std::string(size_t)>& changed) {
  std::string text;
  for (size_t i = 0; i < hunks * lines; ++i)
    text += i % lines == lines / 2 ? changed(i) : Line("call", i);
  return text;
}

std::string HunksOf(size_t hunks, size_t lines) {
  std::string patch = "Description: many hunks\n\n--- a/big.txt\n+++ b/big.txt\n";
  for (size_t h = 0; h < hunks; ++h) {
    size_t at = h * lines + lines / 2;
    std::string head = std::to_string(at - 2) + ",7";
    patch += "@@ -" + head + " +" + head + " @@\n";
    for (size_t i = at - 3; i <= at + 3; ++i) {
      if (i != at) {
        patch += " " + Line("call", i);
        continue;
      }
      patch += "-" + Line("old", i) + "+" + Line("patched", i);
    }
  }
  return patch;
}

/// Lands the hunks on a target whose middle lines are as `there` says.
void Land(size_t hunks, size_t lines, const char* there) {
  MemoryTree patches(nullptr, "patches");
  patches.Write("series", {Text("a.patch\n")});
  patches.Write("a.patch", {Text(HunksOf(hunks, lines))});
  Result<Series> series = ReadSeries(patches);
  if (!series) {
    std::fprintf(stderr, "%s\n", series.error().sentence.c_str());
    _exit(2);
  }
  auto tree = [&](const char* name, const char* word) {
    auto made = std::make_shared<MemoryTree>(nullptr, name);
    made->Write("big.txt", {Text(File(hunks, lines, [&](size_t i) { return Line(word, i); }))});
    return made;
  };
  RebaseInput input;
  input.series = &*series;
  input.bases = {tree("base", "old")};
  input.target = tree("target", there);
  auto cpu = [] {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
  };
  double before = cpu();
  auto begin = std::chrono::steady_clock::now();
  Result<RebaseOutcome> outcome = Rebase(input);
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (!outcome) _exit(2);
  const SeriesVerdict& verdict = outcome->verdict;
  size_t upstream = verdict.Count(Grade::kUpstream), open = verdict.Count(Grade::kConflict);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::printf("| %zu | %zu | %zu | %zu | %zu | %.2f | %.2f | %ld |\n", hunks, hunks * lines,
              verdict.Hunks() - upstream - open, upstream, open, seconds, cpu() - before,
              usage.ru_maxrss / 1024);
  std::fflush(stdout);
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

int main() {
  std::printf(
      "| hunks | lines | landed | upstream | for a person | seconds | of CPU | MiB |\n"
      "|---|---|---|---|---|---|---|---|\n");
  std::fflush(stdout);
  for (size_t hunks : {500, 1000, 2000, 4000}) Apart([&] { Land(hunks, 20, "otherwise"); });
  for (size_t hunks : {9375, 18750, 37500, 75000}) Apart([&] { Land(hunks, 16, "old"); });
  return 0;
}
