// SPDX-License-Identifier: GPL-2.0-or-later
// vCPU hot-plug as Kata does it (contract 2.2): topology values as strings, any of 240 CPUs,
// replies that fit into a line; and the guest's part of an addition and a removal.

#include <gtest/gtest.h>

#include <set>

#include "harness/host/threads.h"
#include "kata/qmp_calls.h"
#include "kata/qtest_pod.h"

namespace stx {
namespace {

QtestPodOptions Cpus(unsigned now, unsigned most) { return {.vcpus = now, .max_vcpus = most}; }

json Hotpluggable(QtestPod& pod) { return pod.qmp().Execute("query-hotpluggable-cpus"); }

/// The entry of that socket.
json Entry(QtestPod& pod, int socket) {
  for (const json& entry : Hotpluggable(pod))
    if (entry["props"]["socket-id"] == socket) return entry;
  throw std::runtime_error("no CPU of socket " + std::to_string(socket));
}

size_t Present(QtestPod& pod) { return pod.qmp().Execute("query-cpus-fast").size(); }

TEST(CpuHotplug, TopologyAsTextPlugsTheCpuThatIsMeant) {
  Covers({"2.2 vcpu-add", "2.2 query-cpus-fast"});
  QtestPod pod(Cpus(1, 4));
  CpuHotplug guest(pod.qtest());
  // Not in ascending order: Kata takes the entries in QEMU's order, which begins with the last
  // socket.
  for (int socket : {2, 1, 3}) {
    ASSERT_FALSE(Entry(pod, socket).contains("qom-path"));
    pod.qmp().Execute("device_add", MakeVcpu(Entry(pod, socket), socket));
    EXPECT_EQ(Entry(pod, socket)["qom-path"], "/machine/peripheral/cpu-" + std::to_string(socket));
  }
  const json cpus = pod.qmp().Execute("query-cpus-fast");
  ASSERT_EQ(cpus.size(), 4u);
  std::set<int> alive, sockets, threads;
  for (const ThreadInfo& thread : ReadThreads(pod.qemu().process().pid())) alive.insert(thread.tid);
  for (const json& cpu : cpus) {
    EXPECT_TRUE(alive.contains(cpu["thread-id"])) << cpu.dump();
    threads.insert(cpu["thread-id"].get<int>());
    sockets.insert(cpu["props"]["socket-id"].get<int>());
  }
  EXPECT_EQ(threads.size(), 4u) << "a thread each";
  EXPECT_EQ(sockets, (std::set<int>{0, 1, 2, 3}));
  for (uint32_t cpu : {1, 2, 3})
    EXPECT_EQ(guest.ReadFlags(cpu), CpuHotplug::kEnabled | CpuHotplug::kInserting) << cpu;
  EXPECT_EQ(guest.ReadFlags(0), CpuHotplug::kEnabled);
}

TEST(CpuHotplug, TheGuestHasSeenItWhenItClearsTheEvent) {
  Covers({"2.2 vcpu-add"});
  QtestPod pod(Cpus(1, 2));
  CpuHotplug guest(pod.qtest());
  EXPECT_EQ(guest.ReadFlags(1), 0);
  pod.qmp().Execute("device_add", MakeVcpu(Entry(pod, 1), 1));
  guest.SetFlags(1, CpuHotplug::kInserting);
  EXPECT_EQ(guest.ReadFlags(1), CpuHotplug::kEnabled);
}

// Kata skips an entry that fails and tries the next.
TEST(CpuHotplug, ACpuThatIsThereOrCannotBeIsRefused) {
  Covers({"2.2 vcpu-add", "2.1 errors"});
  QtestPod pod(Cpus(1, 2));
  json device = MakeVcpu(Entry(pod, 0), 9);
  EXPECT_NE(pod.GetRefusal("device_add", device).find("CPU[0] with APIC ID 0 exists"),
            std::string::npos);
  device["socket-id"] = "7";
  EXPECT_NE(pod.GetRefusal("device_add", device).find("Invalid CPU socket-id: 7"),
            std::string::npos);
  device["socket-id"] = "one";
  EXPECT_NE(pod.GetRefusal("device_add", device), "");
  EXPECT_EQ(Present(pod), 1u);
  pod.qmp().Execute("device_add", MakeVcpu(Entry(pod, 1), 1));
  EXPECT_EQ(Present(pod), 2u);
}

TEST(CpuHotplug, BeforeTheGuestsAcpiRunsARemoveIsRefused) {
  Covers({"2.2 vcpu-remove"});
  QtestPod pod(Cpus(1, 2));
  pod.qmp().Execute("device_add", MakeVcpu(Entry(pod, 1), 1));
  EXPECT_NE(pod.GetRefusal("device_del", {{"id", "cpu-1"}})
                .find("acpi: device unplug request for not supported device type"),
            std::string::npos);
}

TEST(CpuHotplug, ARemoveIsAskedOfTheGuestAndEndsInItsEvent) {
  Covers({"2.2 vcpu-remove", "2.1 device_del"});
  QtestPod pod(Cpus(1, 3));
  CpuHotplug guest(pod.qtest());
  for (int n : {1, 2}) {
    pod.qmp().Execute("device_add", MakeVcpu(Entry(pod, n), n));
    guest.SetFlags(static_cast<uint32_t>(n), CpuHotplug::kInserting);
  }
  // The newest first.
  for (int n : {2, 1}) {
    const std::string id = "cpu-" + std::to_string(n);
    const auto cpu = static_cast<uint32_t>(n);
    pod.qmp().Execute("device_del", {{"id", id}});
    EXPECT_EQ(guest.ReadFlags(cpu), CpuHotplug::kEnabled | CpuHotplug::kRemoving);
    guest.SetFlags(cpu, CpuHotplug::kRemoving);
    guest.SetFlags(cpu, CpuHotplug::kEject);
    // Without KVM, the CPU object is kept by its memory regions, so that only its local APIC is
    // reported (contract 2.2). In both cases the guest sees that the CPU has gone.
    pod.qmp().WaitEvent("DEVICE_DELETED", QtestPod::kWait, [&](const json& event) {
      return event["data"].value("device", "") == id ||
             event["data"]["path"] == "/machine/peripheral/" + id + "/lapic";
    });
    EXPECT_EQ(guest.ReadFlags(cpu) & CpuHotplug::kEnabled, 0);
    EXPECT_EQ(Present(pod), static_cast<size_t>(n));
  }
}

TEST(CpuHotplug, TheFirstCpuStays) {
  Covers({"2.2 vcpu-remove"});
  QtestPod pod(Cpus(2, 2));
  CpuHotplug guest(pod.qtest());
  guest.SetFlags(0, CpuHotplug::kEject);
  EXPECT_EQ(Present(pod), 2u);
  EXPECT_NE(guest.ReadFlags(0) & CpuHotplug::kEnabled, 0);
  const std::string path = Entry(pod, 0)["qom-path"];
  EXPECT_NE(pod.GetRefusal("device_del", {{"id", path}}), "") << "it was not plugged";
}

// The harness's QMP client refuses a line of more than 64 KiB, as Kata's does.
TEST(CpuHotplug, RepliesAbout240CpusFitALine) {
  Covers({"3 maxcpus", "2.1 one-line"});
  QtestPod possible(Cpus(1, 240));
  EXPECT_EQ(Hotpluggable(possible).size(), 240u);
  EXPECT_LT(Hotpluggable(possible).dump().size(), 48u << 10);
  QtestPod present(Cpus(240, 240));
  EXPECT_EQ(present.qmp().Execute("query-cpus-fast").size(), 240u);
  EXPECT_EQ(Hotpluggable(present).size(), 240u);
}

TEST(CpuHotplug, TheLastOf240CanBePlugged) {
  Covers({"3 maxcpus", "2.2 vcpu-add"});
  QtestPod pod(Cpus(1, 240));
  CpuHotplug guest(pod.qtest());
  for (int socket : {239, 238, 128, 127, 1})
    pod.qmp().Execute("device_add", MakeVcpu(Entry(pod, socket), socket));
  EXPECT_EQ(Present(pod), 6u);
  for (uint32_t cpu : {239, 238, 128, 127, 1})
    EXPECT_EQ(guest.ReadFlags(cpu), CpuHotplug::kEnabled | CpuHotplug::kInserting) << cpu;
}

TEST(CpuHotplug, MicrovmHasNone) {
  Covers({"1.2 microvm"});
  QemuOptions options;
  options.qtest = true;
  options.args = {"-machine", "microvm", "-nodefaults", "-smp", "1,sockets=2,maxcpus=2"};
  Qemu qemu(std::move(options));
  EXPECT_THROW(qemu.qmp().Execute("query-hotpluggable-cpus"), QmpError);
}

// pc-dimm: Kata takes the next slot, adds a back-end and the module, and checks its address.
TEST(MemoryHotplug, TenModulesFillTheSlotsAndTheEleventhIsRefused) {
  Covers({"2.2 memory-add", "3 slots"});
  QtestPod pod;
  MemoryHotplug guest(pod.qtest());
  constexpr uint64_t kSize = 128 << 20;
  for (int slot = 0; slot < 10; ++slot) {
    pod.qmp().Execute("object-add",
                      MakeMemoryBackend("mem" + std::to_string(slot), kSize, "/dev/shm"));
    pod.qmp().Execute("device_add", MakeDimm(slot));
    const json modules = pod.qmp().Execute("query-memory-devices");
    ASSERT_EQ(modules.size(), static_cast<size_t>(slot + 1));
    EXPECT_EQ(modules[static_cast<size_t>(slot)]["data"]["slot"], slot);
    const auto cpu_slot = static_cast<uint32_t>(slot);
    EXPECT_EQ(guest.ReadFlags(cpu_slot), MemoryHotplug::kEnabled | MemoryHotplug::kInserting);
    EXPECT_EQ(guest.ReadSize(cpu_slot), kSize);
    EXPECT_EQ(guest.ReadAddress(cpu_slot), modules[static_cast<size_t>(slot)]["data"]["addr"]);
    // This is memory, and not the neighbour's.
    pod.qtest().WriteQ(guest.ReadAddress(cpu_slot) + kSize - 8, 0x1234567800 + cpu_slot);
  }
  for (uint32_t slot = 0; slot < 10; ++slot)
    EXPECT_EQ(pod.qtest().ReadQ(guest.ReadAddress(slot) + kSize - 8), 0x1234567800 + slot);
  const json more = MakeMemoryBackend("mem10", kSize, {});
  pod.qmp().Execute("object-add", more);
  EXPECT_NE(pod.GetRefusal("device_add", MakeDimm(10)).find("no free slots"), std::string::npos);
  // Kata removes the back-end, and may reuse its name.
  pod.qmp().Execute("object-del", {{"id", "mem10"}});
  pod.qmp().Execute("object-add", more);
}

TEST(MemoryHotplug, MoreThanMaxmemIsRefused) {
  Covers({"2.2 memory-add", "3 slots"});
  QtestPod pod;
  pod.qmp().Execute("object-add", {{"qom-type", "memory-backend-ram"},
                                   {"id", "mem0"},
                                   {"size", 16ULL << 30},
                                   {"reserve", false}});
  EXPECT_NE(pod.GetRefusal("device_add", MakeDimm(0)).find("not enough space"), std::string::npos);
}

TEST(MemoryHotplug, ARemovedModuleGoesWhenTheGuestEjectsItAndStaysWhenItRefuses) {
  Covers({"2.1 device_del"});
  QtestPod pod;
  MemoryHotplug guest(pod.qtest());
  pod.qmp().Execute("object-add", MakeMemoryBackend("mem0", 128 << 20, {}));
  pod.qmp().Execute("device_add", MakeDimm(0));
  guest.SetFlags(0, MemoryHotplug::kInserting);
  pod.qmp().Execute("device_del", {{"id", "dimmmem0"}});
  EXPECT_EQ(guest.ReadFlags(0), MemoryHotplug::kEnabled | MemoryHotplug::kRemoving);
  guest.ReportRefusal(0);
  pod.qmp().WaitEvent("ACPI_DEVICE_OST", QtestPod::kWait, [](const json& event) {
    return event["data"]["info"]["slot"] == "0" && event["data"]["info"]["status"] == 1;
  });
  EXPECT_EQ(pod.qmp().Execute("query-memory-devices").size(), 1u);
  guest.SetFlags(0, MemoryHotplug::kEject);
  pod.WaitDeleted("dimmmem0");
  EXPECT_EQ(guest.ReadFlags(0) & MemoryHotplug::kEnabled, 0);
  EXPECT_TRUE(pod.qmp().Execute("query-memory-devices").empty());
  pod.qmp().Execute("object-del", {{"id", "mem0"}});
}

}  // namespace
}  // namespace stx
