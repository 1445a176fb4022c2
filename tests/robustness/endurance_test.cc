// SPDX-License-Identifier: GPL-2.0-or-later
// Machines that work for a long time, and machines that end suddenly: nothing grows, and nothing is
// left behind that blocks the next start.

#include <gtest/gtest.h>
#include <poll.h>

#include <random>

#include "harness/host/memory_map.h"
#include "kata/qmp_calls.h"
#include "kata/qtest_pod.h"

namespace stx {
namespace {

struct Plug {
  const char* name;
  json device;
};
void PrintTo(const Plug& plug, std::ostream* out) { *out << plug.name; }

size_t Descriptors(pid_t pid) {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd"))
    ++count;
  return count;
}

class Endurance : public testing::TestWithParam<Plug> {};

// A thousand in total: 250 of each of four devices.
TEST_P(Endurance, HotPluggedAndUnpluggedManyTimesNothingGrows) {
  Covers({"2.1 device_del"});
  constexpr int kCycles = 250, kWarmUp = 50;
  TempDir dir;
  WriteFile(dir / "disk", std::string(1 << 20, 'd'));
  QtestPodOptions options;
  options.qemu.args = {"-netdev", "hubport,id=n,hubid=0", "-object",
                       "rng-random,id=r,filename=/dev/urandom"};
  QtestPod pod(std::move(options));
  const pid_t pid = pod.qemu().process().pid();
  uint64_t memory = 0;
  size_t descriptors = 0;
  for (int cycle = 0; cycle < kCycles; ++cycle) {
    if (cycle == kWarmUp) {
      memory = ReadStatusSize(pid, "VmRSS");
      descriptors = Descriptors(pid);
    }
    json device = GetParam().device;
    device["id"] = "plugged";
    const bool disk = device.contains("drive");
    if (disk)
      pod.qmp().Execute(
          "blockdev-add",
          MakeBlockNode({.id = "disk", .path = dir / "disk", .driver = "file", .aio = "threads"}));
    pod.Add(device, "pci-bridge-0", 5);
    ASSERT_TRUE(pod.bridge().At(5).IsPresent()) << cycle;
    pod.Remove("plugged", "pci-bridge-0", 5);
    if (disk) pod.qmp().Execute("blockdev-del", {{"node-name", "disk"}});
  }
  EXPECT_FALSE(pod.bridge().At(5).IsPresent());
  EXPECT_EQ(Descriptors(pid), descriptors);
  // A sanitizer keeps freed memory.
  const uint64_t allowed = IsSanitized() ? uint64_t{1} << 30 : 2 << 20;
  EXPECT_LT(ReadStatusSize(pid, "VmRSS"), memory + allowed) << "200 cycles later";
}

INSTANTIATE_TEST_SUITE_P(
    Devices, Endurance,
    testing::Values(Plug{"Block",
                         {{"driver", "virtio-blk-pci"}, {"drive", "disk"}, {"romfile", ""}}},
                    Plug{"Net", {{"driver", "virtio-net-pci"}, {"netdev", "n"}, {"romfile", ""}}},
                    Plug{"Rng", {{"driver", "virtio-rng-pci"}, {"rng", "r"}}},
                    Plug{"Scsi", {{"driver", "virtio-scsi-pci"}}}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Sigkill, AtAnyMomentLeavesNothingThatBlocksTheNextStart) {
  Covers({"2.1 sigkill", "1.1 pidfile"});
  TempDir dir;
  std::mt19937 random(5);
  const auto args = [&] {
    return std::vector<std::string>{
        "-machine",
        "q35,accel=tcg",
        "-m",
        "64M",
        "-nodefaults",
        "-nographic",
        "-pidfile",
        (dir / "pid").string(),
        "-chardev",
        "socket,id=c,path=" + (dir / "console.sock").string() + ",server=on,wait=off",
        "-device",
        "virtio-serial-pci",
        "-device",
        "virtconsole,chardev=c",
        "-monitor",
        "unix:" + (dir / "hmp.sock").string() + ",server=on,wait=off"};
  };
  for (int i = 0; i < 25; ++i) {
    QemuOptions options;
    options.args = args();
    Qemu qemu(std::move(options));
    // At moments from before its first instruction until the machine runs.
    poll(nullptr, 0, static_cast<int>(random() % 150));
    if (i % 5 == 4) {
      ASSERT_EQ(qemu.qmp().Execute("query-status")["running"], true) << qemu.Report();
      EXPECT_EQ(std::stoi(ReadFile(dir / "pid")), qemu.process().pid());
    }
    qemu.process().Kill();
  }
  QemuOptions options;
  options.args = args();
  Qemu qemu(std::move(options));
  ASSERT_EQ(qemu.qmp().Execute("query-status")["running"], true) << qemu.Report();
  EXPECT_EQ(std::stoi(ReadFile(dir / "pid")), qemu.process().pid());
  ConnectUnix(dir / "console.sock", Deadline(Milliseconds(5000)));
  const UniqueFd monitor = ConnectUnix(dir / "hmp.sock", Deadline(Milliseconds(5000)));
  EXPECT_TRUE(WaitFor(monitor.get(), POLLIN, Deadline(Milliseconds(5000))))
      << "no monitor's prompt";
}

}  // namespace
}  // namespace stx
