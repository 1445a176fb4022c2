// SPDX-License-Identifier: GPL-2.0-or-later
#include <map>
#include <sstream>
#include <stdexcept>

#include "bench/footprint.h"
#include "bench/rows.h"
#include "guest/host_tsc.h"

namespace stx {
namespace {

constexpr double kMillion = 1e6, kMiB = 1 << 20;
constexpr int kRounds = 5, kCountRounds = 1;

/// What guestd has noted: milliseconds since the kernel's start, ticks since the machine's.
struct Mark {
  double ms = 0, ticks = 0;
};
std::map<std::string, Mark> ReadMarks(GuestAgent& agent) {
  std::map<std::string, Mark> marks;
  const json times = agent.Info().at("times");
  for (const json& time : times) {
    std::istringstream words(time.get<std::string>());
    std::string name;
    Mark mark;
    words >> name >> mark.ms >> mark.ticks;
    marks[name] = mark;
  }
  if (!marks.contains("init") || !marks.contains("ready"))
    throw std::runtime_error("the guest has not noted its start: " + times.dump());
  return marks;
}

}  // namespace

PodSettings MakePodSettings(const Plan& plan, const Binary& binary) {
  PodSettings settings;
  settings.qemu = binary.path;
  settings.environment = binary.environment;
  settings.guest = plan.build / "guest";
  settings.virtiofsd = plan.build / "tools/tools/virtiofsd/virtiofsd";
  settings.max_vcpus = 2;
  return settings;
}

void MeasureGuest(const Plan& plan, Results* results) {
  const double khz = static_cast<double>(MeasureHostTscKhz());
  Interleave(plan.binaries, plan.rounds ? plan.rounds : kRounds, [&](const Binary& binary) {
    Pod pod(MakePodSettings(plan, binary));
    const auto marks = ReadMarks(pod.agent());
    const pid_t qemu = pod.qemu().process().pid();
    const auto add = [&](const char* what, const char* unit, double value) {
      results->Add(std::string("guest: ") + what, unit, binary.name, value);
    };
    add("fork to user space", "ms", static_cast<double>(pod.to_guest().count()));
    const Mark init = marks.at("init"), ready = marks.at("ready");
    add("firmware, loader, unpacking", "ms", init.ticks / khz - init.ms);
    add("kernel", "ms", init.ms);
    add("user space", "ms", (ready.ticks - init.ticks) / khz);
    add("CPU time", "ms", ReadCpuMs(qemu));
    const Footprint footprint = ReadFootprint(qemu);
    add("PSS", "MiB", footprint.pss / kMiB);
    add("private dirty", "MiB", footprint.private_dirty / kMiB);
    add("guest RAM", "MiB", footprint.guest_ram / kMiB);
  });
  Interleave(plan.binaries, kCountRounds, [&](const Binary& binary) {
    PodSettings settings = MakePodSettings(plan, binary);
    settings.count_instructions = true;
    Pod pod(settings);
    const auto marks = ReadMarks(pod.agent());
    // Not of a replay: the counter is there without one, too.
    const double executed = pod.qmp().Execute("query-replay").at("icount");
    const double in_user_space = marks.at("ready").ticks - marks.at("init").ticks;
    const auto add = [&](const char* what, double count) {
      results->Add(std::string("guest's instructions: ") + what, "M", binary.name,
                   count / kMillion);
    };
    add("firmware and kernel", executed - in_user_space);
    add("user space, with its idle time", in_user_space);
  });
}

}  // namespace stx
