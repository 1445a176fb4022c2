// SPDX-License-Identifier: GPL-2.0-or-later
#include <latch>
#include <memory>
#include <stdexcept>
#include <thread>

#include "bench/footprint.h"
#include "bench/rows.h"

namespace stx {
namespace {

constexpr double kMiB = 1 << 20;
constexpr int kBooted = 20, kBootedRounds = 1, kPaused = 100, kPausedRounds = 3;
constexpr unsigned kMemoryMib = 256;

/// Has one thread for each of `count` pods call `start`, as each has a shim of its own, then calls
/// `look` with the milliseconds until the last had returned. A process that a thread has started
/// ends with it, after `look`. Throws what went wrong with the first.
void Together(int count, const std::function<void(size_t)>& start,
              const std::function<void(double)>& look) {
  std::latch there(count), looked(1);
  std::vector<std::string> failed(static_cast<size_t>(count));
  std::vector<std::jthread> threads;
  const Clock::time_point begin = Clock::now();
  for (size_t i = 0; i < failed.size(); ++i)
    threads.emplace_back([&, i] {
      try {
        start(i);
      } catch (const std::exception& error) {
        failed[i] = error.what();
      }
      there.count_down();
      looked.wait();
    });
  there.wait();
  const double ms = std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
  std::string first;
  for (const std::string& error : failed)
    if (first.empty()) first = error;
  try {
    if (first.empty()) look(ms);
  } catch (const std::exception& error) {
    first = error.what();
  }
  looked.count_down();
  threads.clear();
  if (!first.empty()) throw std::runtime_error(first);
}

/// Of all processes together.
void AddMemory(const std::vector<pid_t>& pids, const std::string& row, const Binary& binary,
               Results* results) {
  Footprint sum;
  for (pid_t pid : pids) {
    const Footprint one = ReadFootprint(pid);
    sum.pss += one.pss;
    sum.private_dirty += one.private_dirty;
  }
  results->Add(row + "PSS of all", "MiB", binary.name, sum.pss / kMiB);
  results->Add(row + "private dirty of all", "MiB", binary.name, sum.private_dirty / kMiB);
}

void MeasurePaused(const Plan& plan, const Binary& binary, Results* results) {
  const std::string row = std::to_string(kPaused) + " pods, paused: ";
  std::vector<std::unique_ptr<PausedPod>> pods;
  for (int i = 0; i < kPaused; ++i)
    pods.push_back(std::make_unique<PausedPod>(binary, plan.build / "guest"));
  Together(
      kPaused, [&](size_t i) { pods[i]->Start(); },
      [&](double ms) {
        results->Add(row + "fork to the last reply", "ms", binary.name, ms);
        std::vector<pid_t> pids;
        for (const auto& pod : pods) pids.push_back(pod->pid());
        AddMemory(pids, row, binary, results);
      });
}

void MeasureBooted(const Plan& plan, const Binary& binary, Results* results) {
  const std::string row = std::to_string(kBooted) + " pods: ";
  PodSettings settings = MakePodSettings(plan, binary);
  settings.memory_mib = kMemoryMib;
  std::vector<std::unique_ptr<Pod>> pods(kBooted);
  Together(
      kBooted,
      [&](size_t i) {
        pods[i] = std::make_unique<Pod>(settings);
        pods[i]->agent();
      },
      [&](double ms) {
        results->Add(row + "fork to the last in user space", "s", binary.name, ms / 1e3);
        std::vector<pid_t> pids;
        for (const auto& pod : pods) pids.push_back(pod->qemu().process().pid());
        AddMemory(pids, row, binary, results);
      });
}

}  // namespace

void MeasurePods(const Plan& plan, Results* results) {
  Interleave(plan.binaries, plan.rounds ? plan.rounds : kPausedRounds,
             [&](const Binary& binary) { MeasurePaused(plan, binary, results); });
  Interleave(plan.binaries, kBootedRounds,
             [&](const Binary& binary) { MeasureBooted(plan, binary, results); });
}

}  // namespace stx
