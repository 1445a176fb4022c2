// SPDX-License-Identifier: GPL-2.0-or-later
#include <cstdio>

#include "bench/rows.h"
#include "harness/host/loop_device.h"
#include "kata/pod_agent.h"
#include "kata/pod_shim.h"

namespace stx {
namespace {

constexpr int kRounds = 5;
constexpr unsigned kMemoryMib = 256, kAddedMib = 128, kShareMib = 64;

double MsOf(const std::function<void()>& step) {
  const Clock::time_point start = Clock::now();
  step();
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

void MeasureOne(Pod& pod, const std::function<void(const char*, const char*, double)>& add) {
  PodShim shim(pod);
  GuestAgent& agent = pod.agent();
  std::string why_not;
  const TempDir dir;

  add("vCPU", "ms", MsOf([&] {
        shim.AddVcpu();
        OnlineCpus(agent, 2);
      }));
  const uint64_t before = ReadTotalMemoryKb(agent);
  add("memory", "ms", MsOf([&] {
        shim.AddMemory(kAddedMib);
        OnlineMemory(agent, before + kAddedMib * 1024 * 15 / 16);
      }));
  WriteFile(dir / "disk", std::string(1 << 20, 'd'));
  if (const auto loop = LoopDevice::Make(dir / "disk", &why_not)) {
    add("disk", "ms", MsOf([&] {
          FindBlock(agent,
                    shim.AddBlock("drive-0", loop->path(), BlockDriver::kScsi, false, "threads"));
        }));
    shim.RemoveBlock("drive-0");
  } else {
    std::fprintf(stderr, "no disk is plugged: %s\n", why_not.c_str());
  }
  if (const auto tap = Tap::Make("tap1_kata", 1, &why_not)) {
    const std::string mac = "02:00:ca:fe:00:03";
    add("NIC", "ms", MsOf([&] {
          shim.AddNic(*tap, mac);
          FindNic(agent, mac);
        }));
    shim.RemoveNic(tap->name());
  } else {
    std::fprintf(stderr, "no NIC is plugged: %s\n", why_not.c_str());
  }

  WriteFile(pod.share() / "file", std::string(kShareMib << 20, 's'));
  const double ms = MsOf([&] { agent.MustExec({"cat", "/share/file"}, Milliseconds(60000)); });
  add("virtio-fs, read", "MiB/s", kShareMib / ms * 1e3);
  add("end (SIGKILL)", "ms", MsOf([&] { shim.Stop(); }));
}

}  // namespace

void MeasureHotplug(const Plan& plan, Results* results) {
  Interleave(plan.binaries, plan.rounds ? plan.rounds : kRounds, [&](const Binary& binary) {
    PodSettings settings = MakePodSettings(plan, binary);
    settings.memory_mib = kMemoryMib;
    Pod pod(settings);
    pod.agent();
    MeasureOne(pod, [&](const char* what, const char* unit, double value) {
      results->Add(std::string("running pod: ") + what, unit, binary.name, value);
    });
  });
}

}  // namespace stx
