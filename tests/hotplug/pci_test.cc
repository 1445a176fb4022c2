// SPDX-License-Identifier: GPL-2.0-or-later
// PCI hot-plug as Kata uses it: bridges with shpc=off and root ports, every slot, every kind of
// device, and guests that do not cooperate.

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "harness/qemu/device_types.h"
#include "kata/qmp_calls.h"
#include "kata/qtest_pod.h"
#include "kata/tiny_pod.h"

namespace stx {
namespace {

constexpr uint16_t kRng = 4;  // device type, virtio 1.2 section 5.4

/// Requests bytes from the entropy device and returns them.
std::vector<uint8_t> Random(QtestPod& pod, VirtioPciDevice& device, uint32_t size) {
  device.Negotiate(0);
  Virtqueue queue = device.SetUpQueue(0, pod.heap());
  device.SetDriverOk();
  const uint64_t buffer = pod.heap().Allocate(size);
  pod.qtest().MemSet(buffer, size, 0);
  uint32_t have = 0;
  while (have < size) {
    queue.Add({{buffer + have, size - have, true}});
    device.Notify(0);
    const auto used = queue.Wait(Deadline(QtestPod::kWait));
    if (used.written == 0) throw std::runtime_error("the entropy device gave nothing");
    have += used.written;
  }
  return pod.qtest().MemRead(buffer, size);
}

std::string Rng(int bridge, int slot) {
  return "rng-" + std::to_string(bridge) + "-" + std::to_string(slot);
}

// 30 devices on each of 5 bridges: everything that Kata can plug.
TEST(PciHotplug, EverySlotOfFiveBridgesTakesADeviceAndGivesItBack) {
  Covers({"2.2 bridge-slots", "2.1 device_del"});
  QtestPod pod({.bridges = 5});
  for (int bridge = 0; bridge < 5; ++bridge) {
    const std::string name = "pci-bridge-" + std::to_string(bridge);
    uint32_t all = 0;
    for (uint8_t slot = 1; slot <= 0x1e; ++slot) {
      pod.Add({{"driver", "virtio-rng-pci"}, {"id", Rng(bridge, slot)}}, name, slot);
      all |= 1U << slot;
    }
    EXPECT_EQ(pod.acpi(name).TakeAdded(), all) << name;
    EXPECT_EQ(pod.bridge(bridge).Scan().size(), 30u) << name;
  }
  for (int bridge = 0; bridge < 5; ++bridge)
    for (uint8_t slot : {1, 15, 30}) {
      VirtioPciDevice device(pod.bridge(bridge), pod.bridge(bridge).At(slot));
      std::set<uint8_t> seen;
      for (uint8_t byte : Random(pod, device, 256)) seen.insert(byte);
      EXPECT_GT(seen.size(), 32u) << "bridge " << bridge << ", slot " << int{slot};
    }
  for (int bridge = 4; bridge >= 0; --bridge) {
    const std::string name = "pci-bridge-" + std::to_string(bridge);
    for (uint8_t slot = 0x1e; slot >= 1; --slot) pod.Remove(Rng(bridge, slot), name, slot);
    EXPECT_TRUE(pod.bridge(bridge).Scan().empty()) << name;
  }
}

TEST(PciHotplug, TheSlotOfADeviceIsTakenUntilItIsGone) {
  Covers({"2.2 bridge-slots"});
  QtestPod pod;
  const json device{{"driver", "virtio-rng-pci"}, {"id", "first"}};
  pod.Add(device, "pci-bridge-0", 1);
  json second{
      {"driver", "virtio-rng-pci"}, {"id", "second"}, {"bus", "pci-bridge-0"}, {"addr", "01"}};
  EXPECT_NE(pod.GetRefusal("device_add", second).find("slot 1 function 0 not available"),
            std::string::npos);
  pod.Remove("first", "pci-bridge-0", 1);
  EXPECT_EQ(pod.GetRefusal("device_add", second), "");
}

TEST(PciHotplug, AnIdIsTakenUntilItsDeviceIsGone) {
  Covers({"2.1 device_del", "2.1 errors"});
  QtestPod pod;
  pod.Add({{"driver", "virtio-rng-pci"}, {"id", "one"}}, "pci-bridge-0", 1);
  EXPECT_NE(
      pod.GetRefusal(
             "device_add",
             {{"driver", "virtio-rng-pci"}, {"id", "one"}, {"bus", "pci-bridge-0"}, {"addr", "02"}})
          .find("Duplicate device ID 'one'"),
      std::string::npos);
  pod.Remove("one", "pci-bridge-0", 1);
  pod.Add({{"driver", "virtio-rng-pci"}, {"id", "one"}}, "pci-bridge-0", 2);
  EXPECT_TRUE(pod.bridge().At(2).IsPresent());
}

// This blocks Kata's channel: it waits for DEVICE_DELETED, which never arrives.
TEST(PciHotplug, AGuestThatDoesNotEjectKeepsTheDeviceHoweverOftenItIsAsked) {
  Covers({"2.1 device_del"});
  QtestPod pod;
  pod.Add({{"driver", "virtio-rng-pci"}, {"id", "kept"}}, "pci-bridge-0", 3);
  pod.qmp().Execute("device_del", {{"id", "kept"}});
  // Refused or accepted again, depending on how long ago the first request was; never more than one
  // event.
  for (int i = 0; i < 5; ++i) pod.GetRefusal("device_del", {{"id", "kept"}});
  VirtioPciDevice device(pod.bridge(), pod.bridge().At(3));
  EXPECT_EQ(Random(pod, device, 16).size(), 16u);
  EXPECT_FALSE(pod.qmp().TakeEvent("DEVICE_DELETED"));
  pod.acpi().Eject(3);
  pod.WaitDeleted("kept");
  pod.acpi().Eject(3);
  EXPECT_EQ(pod.GetRefusal("device_del", {{"id", "kept"}}), "Device 'kept' not found");
}

TEST(PciHotplug, EjectingWhatNobodyAskedForOrIsNotThereHarmsNothing) {
  Covers({"2.1 device_del"});
  QtestPod pod;
  pod.Add({{"driver", "virtio-rng-pci"}, {"id", "stays"}}, "pci-bridge-0", 3);
  for (uint8_t slot = 4; slot < 32; ++slot) pod.acpi().Eject(slot);
  EXPECT_TRUE(pod.bridge().At(3).IsPresent());
  EXPECT_EQ(pod.qmp().Execute("query-status")["status"], "running");
}

TEST(PciHotplug, TheRootBusTakesNone) {
  Covers({"2.2 vfio-root-bus"});
  QtestPod pod;
  EXPECT_NE(
      pod.GetRefusal("device_add", {{"driver", "virtio-rng-pci"}, {"id", "r"}, {"bus", "pcie.0"}})
          .find("Bus 'pcie.0' does not support hotplugging"),
      std::string::npos);
}

TEST(PciHotplug, KataFindsTheAddressByQom) {
  Covers({"2.2 qom-get-path"});
  QtestPod pod({.bridges = 2});
  pod.Add({{"driver", "virtio-rng-pci"}, {"id", "dev"}}, "pci-bridge-1", 0x1e);
  const auto get = [&](const std::string& path, const char* property) {
    return pod.qmp().Execute("qom-get", {{"path", path}, {"property", property}});
  };
  EXPECT_EQ(get("dev", "addr"), 0x1e << 3);
  const std::string bus = get("dev", "parent_bus");
  EXPECT_EQ(bus, "/machine/peripheral/pci-bridge-1/pci-bridge-1");
  EXPECT_EQ(get(bus.substr(0, bus.rfind('/')), "addr"), 3 << 3);
}

TEST(PciHotplug, RootPortsTakeADeviceEach) {
  Covers({"1.2 pcie_root_port", "2.1 device_del"});
  QtestPod pod({.root_ports = 4});
  for (int i = 0; i < 4; ++i) {
    const std::string port = "rp" + std::to_string(i), id = "rng" + std::to_string(i);
    pod.qmp().Execute("device_add", {{"driver", "virtio-rng-pci"}, {"id", id}, {"bus", port}});
    VirtioPciDevice device(pod.port(i), pod.port(i).At(0));
    EXPECT_EQ(device.pci().device(), virtio::PciId(kRng)) << "modern only, on PCI Express";
    EXPECT_EQ(Random(pod, device, 64).size(), 64u);
  }
  for (int i = 0; i < 4; ++i) {
    pod.Remove("rng" + std::to_string(i), "rp" + std::to_string(i), 0);
    EXPECT_FALSE(pod.port(i).At(0).IsPresent());
  }
}

TEST(PciHotplug, ConfigurationSpaceIsTheSameByPortsAndInMemory) {
  Covers({"1.2 pcie_root_port"});
  QtestPod pod({.root_ports = 1});
  constexpr uint16_t kAer = 1;
  Mmconfig memory(pod.qtest());
  for (const PciDevice& device : pod.root().Scan())
    for (int at = 0; at < 256; at += 4)
      EXPECT_EQ(memory.ReadL(device, static_cast<uint16_t>(at)),
                device.ReadL(static_cast<uint8_t>(at)))
          << "slot " << int{device.slot()} << " offset " << at;
  EXPECT_NE(memory.ExtendedCapability(pod.root().At(pod.FindSlot("rp0")), kAer), 0)
      << "a root port reports errors";
}

/// A device that Kata or a host hot-plugs on a bridge, with the device type that the guest must
/// see.
struct Kind {
  const char* driver;
  uint16_t type;
  json more = json::object();
  /// For vhost-user, the number of queues of its back-end; otherwise 0.
  int backend_queues = 0;
};

void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.driver; }

class PciHotplugKinds : public testing::TestWithParam<Kind> {};

TEST_P(PciHotplugKinds, ComesWorksAndGoes) {
  const Kind& kind = GetParam();
  Covers({"2.1 device_del", "2.2 bridge-slots"});
  if (!HasDeviceType(kind.driver)) GTEST_SKIP() << "the binary has no " << kind.driver;
  TempDir dir;
  QtestPodOptions options;
  options.qemu.args = {
      "-object", "rng-random,id=rng0,filename=/dev/urandom", "-fsdev",
      "local,id=fs9p,security_model=none,multidevs=remap,path=" + dir.path().string()};
  QtestPod pod(std::move(options));
  std::optional<IdleBackend> backend;
  json device = kind.more;
  device["driver"] = kind.driver;
  device["id"] = "dev";
  // Three times, because leftovers of the first round would break the second.
  for (int round = 0; round < 3; ++round) {
    if (kind.backend_queues) {
      backend.emplace(dir / "socket", kind.backend_queues, 64);
      pod.qmp().Execute("chardev-add", MakeSocketChardev("char0", dir / "socket"));
      device["chardev"] = "char0";
    }
    pod.Add(device, "pci-bridge-0", 5);
    EXPECT_EQ(pod.acpi().TakeAdded(), 1U << 5);
    VirtioPciDevice virtio(pod.bridge(), pod.bridge().At(5));
    // A transitional device reports its type as subsystem id (virtio 1.2, section 4.1.2.1).
    const uint16_t id = virtio.pci().device();
    EXPECT_EQ(id >= 0x1040 ? id - 0x1040 : virtio.pci().ReadW(0x2e), kind.type);
    const uint64_t agreed = virtio.Negotiate(~0ULL & ~virtio::Bit(34) & ~virtio::Bit(33));
    EXPECT_TRUE(agreed & virtio::Bit(virtio::kFeatureVersion1));
    GuestHeap heap(64 << 20, 32 << 20);
    for (uint16_t i = 0; i < std::min<uint16_t>(virtio.QueueCount(), 4); ++i)
      virtio.SetUpQueue(i, heap);
    virtio.SetDriverOk();
    EXPECT_EQ(virtio.Status() & virtio::kNeedsReset, 0);
    pod.Remove("dev", "pci-bridge-0", 5);
    EXPECT_FALSE(pod.bridge().At(5).IsPresent());
    if (kind.backend_queues) pod.qmp().Execute("chardev-remove", {{"id", "char0"}});
  }
}

INSTANTIATE_TEST_SUITE_P(
    Virtio, PciHotplugKinds,
    testing::Values(Kind{"virtio-net-pci", 1, {{"romfile", ""}}}, Kind{"virtio-serial-pci", 3},
                    Kind{"virtio-rng-pci", 4, {{"rng", "rng0"}}}, Kind{"virtio-balloon-pci", 5},
                    Kind{"virtio-scsi-pci", 8},
                    Kind{"virtio-9p-pci", 9, {{"fsdev", "fs9p"}, {"mount_tag", "share"}}},
                    Kind{"vhost-user-vsock-pci", 19, json::object(), 3},
                    Kind{"vhost-user-fs-pci", 26, {{"tag", "kataShared"}}, 2}),
    [](const auto& info) {
      std::string name = info.param.driver;
      std::erase(name, '-');
      return name;
    });

// q35 must be an alias of pc-q35-6.1 or newer, because older types accept no device on a bridge
// with shpc=off.
class Q35Versions : public testing::TestWithParam<std::string> {};

TEST_P(Q35Versions, FromSixOneOnABridgeWithoutShpcTakesDevices) {
  Covers({"4 machine-alias", "4 machine-versions"});
  int major = 0, minor = 0;
  const bool alias = GetParam() == "q35";
  if (!alias) {
    ASSERT_EQ(std::sscanf(GetParam().c_str(), "pc-q35-%d.%d", &major, &minor), 2);
  }
  QtestPod pod({.edits = {Substitute("-machine", "q35", GetParam())}});
  const json device{
      {"driver", "virtio-rng-pci"}, {"id", "r"}, {"bus", "pci-bridge-0"}, {"addr", "01"}};
  const std::string refusal = pod.GetRefusal("device_add", device);
  if (alias || std::pair(major, minor) >= std::pair(6, 1)) {
    EXPECT_EQ(refusal, "");
    pod.Remove("r", "pci-bridge-0", 1);
  } else {
    EXPECT_NE(refusal.find("does not support hotplug"), std::string::npos) << refusal;
  }
}

/// "q35" and the versioned q35 types of $QEMU.
std::vector<std::string> Q35Machines() {
  std::vector<std::string> names;
  if (EnvOr("QEMU", "").empty()) return names;
  std::istringstream in(RunQemu({"-machine", "help"}).out);
  for (std::string line; std::getline(in, line);) {
    const std::string name = line.substr(0, line.find(' '));
    if (name == "q35" || name.starts_with("pc-q35-")) names.push_back(name);
  }
  return names;
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Q35Versions);
INSTANTIATE_TEST_SUITE_P(Machines, Q35Versions, testing::ValuesIn(Q35Machines()),
                         [](const auto& info) {
                           std::string name = info.param;
                           for (char& c : name)
                             if (c == '-' || c == '.') c = '_';
                           return name;
                         });

}  // namespace
}  // namespace stx
