// SPDX-License-Identifier: GPL-2.0-or-later
#include <unistd.h>

#include <cstdio>

#include "bench/rows.h"

namespace stx {
namespace {

constexpr double kMillion = 1e6, kMiB = 1 << 20;
constexpr int kRounds = 27, kCountRounds = 3;

struct LineRows {
  Line line;
  std::string name;
};
const std::vector<LineRows> kLines = {
    {Line::kPod, "start"}, {Line::kNone, "-machine none"}, {Line::kVersion, "--version"}};

}  // namespace

void Interleave(const std::vector<Binary>& binaries, int rounds,
                const std::function<void(const Binary&)>& round) {
  for (int i = 0; i < rounds; ++i) {
    if (i % 2) {
      for (auto binary = binaries.rbegin(); binary != binaries.rend(); ++binary) round(*binary);
    } else {
      for (const Binary& binary : binaries) round(binary);
    }
  }
}

void MeasureStart(const Plan& plan, Results* results) {
  Lives lives(plan.build / "guest");
  sync();  // pages of a binary that was just built count as dirty until they are on the disk
  if (!Lives::HasValgrind())
    std::fprintf(stderr, "instructions are not counted: there is no valgrind\n");
  for (const auto& [line, name] : kLines) {
    const auto add = [&](const char* what, const char* unit, const Binary& binary, double value) {
      results->Add(name + ": " + what, unit, binary.name, value);
    };
    if (Lives::HasValgrind())
      for (const Binary& binary : plan.binaries) {
        CallgrindProfile profile = lives.CountInstructions(binary, line);
        add("instructions", "M", binary, static_cast<double>(profile.total) / kMillion);
        if (line == Line::kPod)
          results->breakdown(binary.name).functions = std::move(profile.functions);
      }
    // Untimed first: the page cache is warm for all.
    for (const Binary& binary : plan.binaries) lives.Live(binary, line);
    Interleave(plan.binaries, plan.rounds ? plan.rounds : kRounds, [&](const Binary& binary) {
      const Lives::Life life = lives.Live(binary, line);
      add("CPU time", "ms", binary, life.cpu_ms);
      if (line != Line::kVersion) {
        add("fork to greeting", "ms", binary, life.greeting_ms);
        add("fork to first reply", "ms", binary, life.reply_ms);
      }
      add("whole life", "ms", binary, life.end_ms);
      if (line != Line::kVersion) {
        add("PSS", "MiB", binary, life.footprint.pss / kMiB);
        add("private dirty", "MiB", binary, life.footprint.private_dirty / kMiB);
      }
      add("page faults", "", binary, life.faults);
      if (line == Line::kPod)
        results->breakdown(binary.name).memory = life.footprint.private_dirty_of;
    });
    Interleave(plan.binaries, kCountRounds, [&](const Binary& binary) {
      add("system calls", "", binary, lives.CountSyscalls(binary, line));
    });
  }
}

}  // namespace stx
