// SPDX-License-Identifier: GPL-2.0-or-later
// Faults of virtio-net and its back-ends that crash QEMU or lose frames.
//   ShortTransmit   virtio-net-short-transmit.patch
//   VlanTable       virtio-net-vlan-table.patch
//   Failover        virtio-net-failover-realize.patch
//   TapVhost        net-tap-vhost.patch

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "harness/qemu/machine_test.h"
#include "harness/qemu/migration.h"
#include "harness/virtio/net_wire.h"
#include "harness/virtio/virtio_pci.h"

namespace stx {
namespace {

constexpr uint16_t kReceive = 0, kTransmit = 1, kControl = 2;
constexpr size_t kHeader = 12;
constexpr int kCtrlVq = 17, kCtrlRx = 18, kCtrlVlan = 19;
constexpr Milliseconds kTimeout{10000};

class ShortTransmit : public MachineTest, public testing::WithParamInterface<uint32_t> {
 protected:
  /// Starts a driver that has set up both queues; returns the transmit queue.
  Virtqueue StartDriver() {
    device->Negotiate(0);
    device->SetUpQueue(kReceive, *heap);
    Virtqueue queue = device->SetUpQueue(kTransmit, *heap);
    device->SetDriverOk();
    return queue;
  }
  void Start(const std::string& netdev) {
    StartMachine({"-netdev", netdev, "-device",
                  "virtio-net-pci,netdev=n,disable-legacy=on,addr=5,romfile="});
    device.emplace(*bus, bus->At(5));
  }
  /// A chain of `length` bytes is not a packet: the device must report that it needs a reset.
  void ExpectNeedsReset(uint32_t length) {
    Virtqueue queue = StartDriver();
    queue.Add({{heap->Allocate(64), length, false}});
    device->Notify(kTransmit);
    for (const Deadline deadline(kTimeout); !(device->Status() & virtio::kNeedsReset);)
      ASSERT_FALSE(deadline.Passed()) << "the device takes it for a packet";
    ExpectAlive();
  }

  std::optional<VirtioPciDevice> device;
};

TEST_P(ShortTransmit, ToAHubNeedsAReset) {
  Start("hubport,id=n,hubid=0");
  ExpectNeedsReset(GetParam());
}

TEST_P(ShortTransmit, ToASocketNeedsAReset) {
  Start("socket,id=n,udp=127.0.0.1:9,localaddr=127.0.0.1:0");
  ExpectNeedsReset(GetParam());
}

TEST_P(ShortTransmit, ToAWireNeedsAResetAndThenFramesGoOut) {
  NetWire wire(dir, "wire");
  Start(wire.Netdev());
  ExpectNeedsReset(GetParam());
  Virtqueue queue = StartDriver();
  const std::string frame(60, 'f');
  const uint64_t packet = heap->Allocate(kHeader + frame.size());
  qtest().MemSet(packet, kHeader, 0);
  qtest().MemWrite(packet + kHeader, frame.data(), frame.size());
  queue.Add({{packet, static_cast<uint32_t>(kHeader + frame.size()), false}});
  device->Notify(kTransmit);
  EXPECT_EQ(wire.Receive(), frame);
  queue.Wait(Deadline(kTimeout));
}

INSTANTIATE_TEST_SUITE_P(Bytes, ShortTransmit, testing::Values(1, 11),
                         testing::PrintToStringParamName());

/// Two machines with the same virtio-net, each on its own wire. The test is the guest.
class VlanTable : public testing::Test {
 protected:
  struct Machine {
    Machine(const TempDir& dir, const std::string& name, bool target) : wire(dir, name) {
      QemuOptions options;
      options.qtest = true;
      options.args = {"-machine",
                      "q35",
                      "-m",
                      "64M",
                      "-nodefaults",
                      "-netdev",
                      wire.Netdev(),
                      "-device",
                      "virtio-net-pci,netdev=n,disable-legacy=on,addr=5,romfile="};
      if (target) options.args.insert(options.args.end(), {"-incoming", "defer"});
      qemu.emplace(std::move(options));
      qemu->qmp();
    }
    NetWire wire;
    std::optional<Qemu> qemu;
  };

  void StartDriver(uint64_t features) {
    OpenDevice(source);
    device->Negotiate(features);
    receive = device->SetUpQueue(kReceive, heap);
    device->SetUpQueue(kTransmit, heap);
    if (features) control = device->SetUpQueue(kControl, heap);
    device->SetDriverOk();
    for (int i = 0; i < 8; ++i) {
      const uint64_t buffer = heap.Allocate(2048);
      buffers[receive->Add({{buffer, 2048, true}})] = buffer;
    }
    device->Notify(kReceive);
  }
  void OpenDevice(Machine& machine) {
    PciBus bus(machine.qemu->qtest());
    device.emplace(bus, bus.At(5));
  }

  /// Sends a command on the control queue (virtio 1.2, section 5.1.6.5), which must succeed.
  void Control(uint8_t command_class, uint8_t command, const std::string& data) {
    QTest& qtest = source.qemu->qtest();
    const uint64_t at = heap.Allocate(64);
    const uint8_t head[2] = {command_class, command};
    qtest.MemWrite(at, head, 2);
    qtest.MemWrite(at + 2, data.data(), data.size());
    qtest.WriteB(at + 32, 0xff);
    control->Add(
        {{at, 2, false}, {at + 2, static_cast<uint32_t>(data.size()), false}, {at + 32, 1, true}});
    device->Notify(kControl);
    control->Wait(Deadline(kTimeout));
    ASSERT_EQ(qtest.ReadB(at + 32), 0);
  }

  /// A broadcast frame, with a VLAN tag unless `vlan` is 0.
  static std::string Frame(uint16_t vlan) {
    std::string frame(6, '\xff');
    frame += std::string("\x52\x54\x00\x00\x00\x01", 6);
    if (vlan) {
      frame += "\x81";
      frame += '\0';
      frame += static_cast<char>(vlan >> 8);
      frame += static_cast<char>(vlan & 0xff);
    }
    frame += "\x88\xb5";
    frame.resize(60, static_cast<char>('a' + vlan));
    return frame;
  }

  /// Sends frames with these VLANs and one without a tag. Returns the VLANs (0: none) of the frames
  /// that the guest received, in order.
  std::vector<uint16_t> Received(Machine& machine, const std::vector<uint16_t>& vlans) {
    for (uint16_t vlan : vlans) machine.wire.Send(Frame(vlan));
    machine.wire.Send(Frame(0));
    std::vector<uint16_t> got;
    do {
      const DriverQueue::Used used = receive->Wait(Deadline(kTimeout));
      const auto bytes = machine.qemu->qtest().MemRead(buffers[used.head], used.written);
      const std::string frame(bytes.begin() + kHeader, bytes.end());
      const auto at = [&](size_t i) { return static_cast<uint8_t>(frame[i]); };
      const bool tagged = at(12) == 0x81 && at(13) == 0;
      got.push_back(static_cast<uint16_t>(tagged ? at(14) << 8 | at(15) : 0));
      EXPECT_EQ(frame, Frame(got.back()));
    } while (got.back());
    return got;
  }

  void Migrate() {
    target.emplace(dir, "target", true);
    const std::string stream = MigrateToBytes(*source.qemu);
    IncomingStream(*target->qemu).Finish(stream);
    target->qemu->qmp().WaitEvent("RESUME");
    receive->MoveTo(target->qemu->qtest());
  }

  void TearDown() override {
    if (HasFailure() && target) std::cerr << target->qemu->Report();
  }

  TempDir dir{"vlan"};
  GuestHeap heap{16 << 20, 32 << 20};
  Machine source{dir, "source", false};
  std::optional<Machine> target;
  std::optional<VirtioPciDevice> device;
  std::optional<Virtqueue> receive, control;
  std::map<uint16_t, uint64_t> buffers;
};

TEST_F(VlanTable, GoesWithTheGuest) {
  StartDriver(virtio::Bit(kCtrlVq) | virtio::Bit(kCtrlRx) | virtio::Bit(kCtrlVlan));
  Control(0, 0, std::string(1, '\0'));        // not promiscuous
  Control(2, 0, std::string("\x07\x00", 2));  // VLAN 7
  Control(2, 0, std::string("\xff\x0f", 2));  // VLAN 4095
  const std::vector<uint16_t> sent{9, 7, 4095}, expected{7, 4095, 0};
  ASSERT_EQ(Received(source, sent), expected);
  Migrate();
  EXPECT_EQ(Received(*target, sent), expected);
}

TEST_F(VlanTable, WithoutTheFeatureEveryVlanPassesAfterAsBefore) {
  StartDriver(virtio::Bit(kCtrlVq) | virtio::Bit(kCtrlRx));
  Control(0, 0, std::string(1, '\0'));
  const std::vector<uint16_t> expected{9, 7, 0};
  ASSERT_EQ(Received(source, {9, 7}), expected);
  Migrate();
  EXPECT_EQ(Received(*target, {9, 7}), expected);
}

class Failover : public MachineTest {
 protected:
  json Peripheral() {
    json names = json::array();
    for (const json& child : qmp().Execute("qom-list", {{"path", "/machine/peripheral"}}))
      if (child["type"].get<std::string>().starts_with("child<")) names.push_back(child["name"]);
    return names;
  }
  void Plug(json device) { qmp().Execute("device_add", std::move(device)); }
};

TEST_F(Failover, AStandbyWithAWrongOptionLeavesNothingBehind) {
  StartMachine({"-netdev", "hubport,id=n1,hubid=0", "-netdev", "hubport,id=n2,hubid=0", "-object",
                "rng-builtin,id=r", "-device", "pcie-root-port,id=p1,chassis=1,slot=1", "-device",
                "pcie-root-port,id=p2,chassis=2,slot=2", "-device",
                "pcie-root-port,id=p3,chassis=3,slot=3"});
  json standby{{"driver", "virtio-net-pci"},
               {"id", "standby"},
               {"netdev", "n1"},
               {"bus", "p1"},
               {"failover", true},
               {"romfile", ""},
               {"mac", "52:54:00:12:34:56"}};
  for (const char* wrong : {"rx_queue_size", "tx_queue_size"}) {
    json device = standby;
    device[wrong] = 0;
    try {
      Plug(device);
      FAIL() << wrong;
    } catch (const QmpError& error) {
      EXPECT_NE(error.desc().find(wrong), std::string::npos) << error.desc();
    }
  }
  // Every device that is plugged asks the listeners whether it is hidden.
  Plug({{"driver", "virtio-rng-pci"}, {"id", "rng"}, {"rng", "r"}, {"bus", "p2"}});
  // Standbys are notified about migration states.
  EXPECT_NE(MigrateToBytes(*qemu), "");
  qmp().Execute("cont");

  // A correct standby hides its primary until the guest's driver requests it.
  Plug(standby);
  Plug({{"driver", "virtio-net-pci"},
        {"id", "primary"},
        {"netdev", "n2"},
        {"bus", "p3"},
        {"romfile", ""},
        {"mac", "52:54:00:12:34:56"},
        {"failover_pair_id", "standby"}});
  const json present = Peripheral();
  EXPECT_NE(std::find(present.begin(), present.end(), "standby"), present.end()) << present;
  EXPECT_NE(std::find(present.begin(), present.end(), "rng"), present.end()) << present;
  EXPECT_EQ(std::find(present.begin(), present.end(), "primary"), present.end()) << present;
  ExpectAlive();
}

class TapVhost : public MachineTest {
 protected:
  /// Gives a queue of a tap of the test to QEMU as `name`; false if no tap can be created here.
  bool GiveTap(const std::string& name) {
    UniqueFd fd(open("/dev/net/tun", O_RDWR | O_CLOEXEC));
    ifreq request{};
    request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE;
    std::strncpy(request.ifr_name, tap_name_.c_str(), IFNAMSIZ - 1);
    if (!fd || ioctl(fd.get(), TUNSETIFF, &request) != 0) return false;
    qmp().ExecuteWithFd("getfd", {{"fdname", name}}, fd.get());
    return true;
  }
  std::string GetRefusal(const json& netdev) {
    try {
      qmp().Execute("netdev_add", netdev);
    } catch (const QmpError& error) {
      return error.desc();
    }
    return "";
  }
  size_t OpenFiles() {
    const auto folder = "/proc/" + std::to_string(qemu->process().pid()) + "/fd";
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
  }

  std::string tap_name_ = "stx" + std::to_string(getpid() % 100000) + "t";
};

TEST_F(TapVhost, ThatCannotBeOpenedIsARefusalAndTheNameIsFree) {
  StartMachine({});
  if (!GiveTap("fd0")) GTEST_SKIP() << "no tap can be made here";
  EXPECT_NE(
      GetRefusal(
          {{"type", "tap"}, {"id", "n"}, {"fds", "fd0"}, {"vhost", true}, {"vhostfds", "vhostfd0"}})
          .find("vhostfd0"),
      std::string::npos);
  ASSERT_TRUE(GiveTap("fd1"));
  EXPECT_NE(
      GetRefusal(
          {{"type", "tap"}, {"id", "n"}, {"fd", "fd1"}, {"vhost", true}, {"vhostfd", "vhostfd1"}})
          .find("vhostfd1"),
      std::string::npos);
  ExpectAlive();

  const size_t open_before = OpenFiles();
  ASSERT_TRUE(GiveTap("fd2"));
  EXPECT_EQ(GetRefusal({{"type", "tap"}, {"id", "n"}, {"fd", "fd2"}}), "");
  qmp().Execute("netdev_del", {{"id", "n"}});
  EXPECT_EQ(OpenFiles(), open_before);
}

TEST_F(TapVhost, AQueueThatFailsTakesTheEarlierOnesWithIt) {
  StartMachine({});
  if (!GiveTap("fd0")) GTEST_SKIP() << "no tap can be made here";
  const json netdev{{"type", "tap"}, {"id", "n"}, {"fds", "fd0:fd7"}};
  EXPECT_NE(GetRefusal(netdev).find("fd7"), std::string::npos);
  ASSERT_TRUE(GiveTap("fd1"));
  EXPECT_EQ(GetRefusal({{"type", "tap"}, {"id", "n"}, {"fds", "fd1"}}), "");
  ExpectAlive();
}

}  // namespace
}  // namespace stx
