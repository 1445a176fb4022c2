// SPDX-License-Identifier: GPL-2.0-or-later
// virtio-net-rx-filter.patch (WRO 3): which frames from the back-end reach the guest's receive
// buffers with the filter that the driver has set, and with rx-filter=off, which overrides it.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <optional>

#include "base/waiting.h"
#include "harness/qemu/guest_heap.h"
#include "harness/qemu/pci.h"
#include "harness/qemu/qemu.h"
#include "harness/virtio/virtio_pci.h"

namespace stx {
namespace {

// virtio 1.2, sections 5.1.3 (features), 5.1.2 (queues), 5.1.6.5 (control commands).
constexpr uint16_t kNet = 1;
constexpr int kMac = 5, kCtrlVq = 17, kCtrlRx = 18, kCtrlVlan = 19;
constexpr uint64_t kFeatures =
    virtio::Bit(kMac) | virtio::Bit(kCtrlVq) | virtio::Bit(kCtrlRx) | virtio::Bit(kCtrlVlan);
constexpr uint16_t kReceiveQueue = 0, kControlQueue = 2;
constexpr uint8_t kClassRx = 0, kRxPromiscuous = 0;
constexpr uint8_t kClassMac = 1, kMacTableSet = 0;
constexpr uint8_t kClassVlan = 2, kVlanAdd = 0;
constexpr size_t kNetHeader = 12;

constexpr uint8_t kSlot = 5;
constexpr uint64_t kBufferSize = 2048;
constexpr uint16_t kBuffers = 32;
constexpr Milliseconds kTimeout{10000};

using Address = std::array<uint8_t, 6>;
constexpr Address kOwn{0x52, 0x54, 0, 0, 0, 1}, kListed{0x52, 0x54, 0, 0, 0, 2},
    kOther{0x52, 0x54, 0, 0, 0, 3}, kBroadcast{0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
    kGroupListed{1, 0, 0x5e, 0, 0, 2}, kGroupOther{1, 0, 0x5e, 0, 0, 3};
constexpr uint16_t kVlanListed = 7, kVlanOther = 9;

std::string Raw(const Address& address) { return {address.begin(), address.end()}; }

/// An Ethernet frame whose payload is its name. `vlan` adds an 802.1Q tag.
std::string Frame(const Address& to, const std::string& name,
                  std::optional<uint16_t> vlan = std::nullopt) {
  std::string frame = Raw(to) + Raw({0x52, 0x54, 0, 0, 1, 1});
  if (vlan) frame += {'\x81', 0, static_cast<char>(*vlan >> 8), static_cast<char>(*vlan)};
  frame += {'\x88', '\xb5'};  // IEEE 802: local experimental
  frame += name;
  frame.resize(80);
  return frame;
}

struct Case {
  std::string name;
  Address to;
  std::optional<uint16_t> vlan;
  bool wanted;  // by the driver's filter
};

const std::vector<Case>& Cases() {
  static const std::vector<Case> cases{
      {"own address", kOwn, {}, true},
      {"another guest's address", kOther, {}, false},
      {"listed address", kListed, {}, true},
      {"broadcast", kBroadcast, {}, true},
      {"listed group", kGroupListed, {}, true},
      {"another group", kGroupOther, {}, false},
      {"own address, listed VLAN", kOwn, kVlanListed, true},
      {"own address, another VLAN", kOwn, kVlanOther, false},
      {"another address, listed VLAN", kOther, kVlanListed, false},
      {"the last", kOwn, {}, true},  // when it has arrived, all others have been decided
  };
  return cases;
}

std::vector<std::string> Expected(bool filtered) {
  std::vector<std::string> names;
  for (const Case& c : Cases())
    if (c.wanted || !filtered) names.push_back(c.name);
  return names;
}

/// A machine whose virtio-net has a socket of the test as its back-end.
class WiredMachine {
 public:
  /// `device` is added to the device's properties; if it is empty, the test plugs the device.
  WiredMachine(const std::string& device, std::vector<std::string> args) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) ThrowErrno("socketpair");
    wire_.Reset(pair[0]);
    UniqueFd theirs(pair[1]);
    QemuOptions options;
    options.qtest = true;
    const std::string wire_fd = std::to_string(options.Inherit(theirs.get()));
    options.args = {"-nodefaults",
                    "-machine",
                    "pc",
                    "-m",
                    "64",
                    "-netdev",
                    "stream,id=wire,server=off,addr.type=fd,addr.str=" + wire_fd};
    if (!device.empty()) options.args.insert(options.args.end(), {"-device", device});
    options.args.insert(options.args.end(), args.begin(), args.end());
    qemu_.emplace(std::move(options));
  }

  Qemu& qemu() { return *qemu_; }

  /// Sends a frame over the wire: its length, big-endian, followed by its bytes (-netdev stream).
  void Send(const std::string& frame) {
    const size_t n = frame.size();
    WriteAll(wire_.get(), std::string{0, 0, static_cast<char>(n >> 8), static_cast<char>(n)});
    WriteAll(wire_.get(), frame);
  }

 private:
  UniqueFd wire_;
  std::optional<Qemu> qemu_;
};

std::string Device(const std::string& rx_filter) {
  return "virtio-net-pci,id=net,netdev=wire,mac=52:54:00:00:00:01,disable-legacy=on,romfile=,"
         "addr=" +
         std::to_string(kSlot) + rx_filter;
}

/// A driver that asks for its own address, one more, one group and one VLAN.
class Driver {
 public:
  explicit Driver(QTest& qtest)
      : qtest_(qtest), bus_(qtest), device_(bus_, bus_.At(kSlot)), heap_(1 << 20, 16 << 20) {
    const uint64_t agreed = device_.Negotiate(kFeatures);
    if ((agreed & kFeatures) != kFeatures) throw std::runtime_error("no receive filter offered");
    receive_.emplace(device_.SetUpQueue(kReceiveQueue, heap_));
    control_.emplace(device_.SetUpQueue(kControlQueue, heap_));
    device_.SetDriverOk();

    Command(kClassRx, kRxPromiscuous, std::string(1, '\0'));
    const std::string one{1, 0, 0, 0};
    Command(kClassMac, kMacTableSet, one + Raw(kListed) + one + Raw(kGroupListed));
    Command(kClassVlan, kVlanAdd, {static_cast<char>(kVlanListed), 0});

    buffers_ = heap_.Allocate(kBufferSize * kBuffers);
    for (uint16_t i = 0; i < kBuffers; ++i) {
      const uint16_t head = receive_->Add({{buffers_ + i * kBufferSize, kBufferSize, true}});
      if (head != i) throw std::runtime_error("a buffer is not where the test looks for it");
    }
    device_.Notify(kReceiveQueue);
  }

  /// All frames received since the driver started. `qtest` may be another QEMU to which the guest
  /// has migrated.
  std::vector<std::string> Received(QTest& qtest) const {
    std::vector<std::string> frames;
    const uint16_t count = qtest.ReadW(receive_->used() + 2);
    for (uint16_t i = 0; i < count; ++i) {
      const uint64_t element = receive_->used() + 4 + 8ULL * i;
      const uint64_t buffer = buffers_ + qtest.ReadL(element) * kBufferSize;
      const std::vector<uint8_t> bytes = qtest.MemRead(buffer, qtest.ReadL(element + 4));
      frames.emplace_back(bytes.begin() + kNetHeader, bytes.end());
    }
    return frames;
  }

 private:
  void Command(uint8_t command_class, uint8_t command, const std::string& data) {
    const uint64_t header = heap_.Allocate(2), body = heap_.Allocate(data.size()),
                   ack = heap_.Allocate(1);
    qtest_.WriteB(header, command_class);
    qtest_.WriteB(header + 1, command);
    qtest_.MemWrite(body, data.data(), data.size());
    qtest_.WriteB(ack, 0xff);
    control_->Add(
        {{header, 2, false}, {body, static_cast<uint32_t>(data.size()), false}, {ack, 1, true}});
    device_.Notify(kControlQueue);
    control_->Wait(Deadline(kTimeout));
    if (qtest_.ReadB(ack) != 0) throw std::runtime_error("the device refused a control command");
  }

  QTest& qtest_;
  PciBus bus_;
  VirtioPciDevice device_;
  GuestHeap heap_;
  std::optional<Virtqueue> receive_, control_;
  uint64_t buffers_ = 0;
};

/// Sends the frame of every case; returns the names of those that arrived unchanged, in order.
std::vector<std::string> Arrivals(WiredMachine& machine, const Driver& driver) {
  QTest& qtest = machine.qemu().qtest();
  const size_t before = driver.Received(qtest).size();
  for (const Case& c : Cases()) machine.Send(Frame(c.to, c.name, c.vlan));
  const Case& last = Cases().back();
  std::vector<std::string> frames;
  WaitUntil("the last frame has arrived", Deadline(kTimeout), [&] {
    frames = driver.Received(qtest);
    return frames.size() > before && frames.back() == Frame(last.to, last.name);
  });
  std::vector<std::string> names;
  for (size_t i = before; i < frames.size(); ++i) {
    names.emplace_back("damaged frame");
    for (const Case& c : Cases())
      if (frames[i] == Frame(c.to, c.name, c.vlan)) names.back() = c.name;
  }
  return names;
}

/// What query-rx-filter must report whether or not the filter is applied: what the driver has set.
/// The VLANs are checked separately, because the base forgets them in a migration.
json ExpectDriversAddresses(WiredMachine& machine) {
  const json filter = machine.qemu().qmp().Execute("query-rx-filter", {{"name", "net"}})[0];
  EXPECT_EQ(filter["promiscuous"], false);
  EXPECT_EQ(filter["main-mac"], "52:54:00:00:00:01");
  EXPECT_EQ(filter["unicast"], "normal");
  EXPECT_EQ(filter["unicast-table"], json({"52:54:00:00:00:02"}));
  EXPECT_EQ(filter["multicast"], "normal");
  EXPECT_EQ(filter["multicast-table"], json({"01:00:5e:00:00:02"}));
  return filter;
}

void ExpectDriversFilter(WiredMachine& machine) {
  const json filter = ExpectDriversAddresses(machine);
  EXPECT_EQ(filter["vlan"], "normal");
  EXPECT_EQ(filter["vlan-table"], json({kVlanListed}));
}

struct Setting {
  const char* name;
  const char* property;
  bool filtered;
  friend void PrintTo(const Setting& s, std::ostream* out) { *out << s.name; }
};

class RxFilter : public testing::TestWithParam<Setting> {};

TEST_P(RxFilter, DecidesWhatReachesTheGuest) {
  WiredMachine machine(Device(GetParam().property), {});
  Driver driver(machine.qemu().qtest());
  EXPECT_EQ(Arrivals(machine, driver), Expected(GetParam().filtered));
  ExpectDriversFilter(machine);
}

INSTANTIATE_TEST_SUITE_P(Settings, RxFilter,
                         testing::Values(Setting{"ByDefault", "", true},
                                         Setting{"On", ",rx-filter=on", true},
                                         Setting{"Off", ",rx-filter=off", false}),
                         [](const auto& setting) { return setting.param.name; });

// A base without the property only prints a warning, and filters.
TEST(RxFilterTest, AGlobalOffHoldsForAPluggedDevice) {
  WiredMachine machine("", {"-global", "virtio-net-device.rx-filter=off"});
  machine.qemu().qmp().Execute("device_add", {{"driver", "virtio-net-pci"},
                                              {"id", "net"},
                                              {"netdev", "wire"},
                                              {"mac", "52:54:00:00:00:01"},
                                              {"disable-legacy", "on"},
                                              {"romfile", ""},
                                              {"addr", "5"}});
  Driver driver(machine.qemu().qtest());
  EXPECT_EQ(Arrivals(machine, driver), Expected(false));
  ExpectDriversFilter(machine);
}

// The guest's filter migrates. Whether it is applied is decided by each side's property.
TEST(RxFilterTest, EachSideOfAMigrationObeysItsOwnProperty) {
  TempDir dir;
  const std::string channel = "unix:" + (dir / "migration.sock").string();
  WiredMachine source(Device(",rx-filter=on"), {});
  WiredMachine target(Device(",rx-filter=off"), {"-incoming", channel});
  Driver driver(source.qemu().qtest());
  ASSERT_EQ(Arrivals(source, driver), Expected(true));

  target.qemu().qmp().Execute("query-status");  // it listens
  source.qemu().qmp().Execute("migrate", {{"uri", channel}});
  target.qemu().qmp().WaitEvent("RESUME");
  ExpectDriversAddresses(target);
  EXPECT_EQ(Arrivals(target, driver), Expected(false));
}

TEST(RxFilterTest, AFilterThatTheSourceDidNotObeyIsObeyedByATargetThatDoes) {
  TempDir dir;
  const std::string channel = "unix:" + (dir / "migration.sock").string();
  WiredMachine source(Device(",rx-filter=off"), {});
  WiredMachine target(Device(",rx-filter=on"), {"-incoming", channel});
  Driver driver(source.qemu().qtest());
  ASSERT_EQ(Arrivals(source, driver), Expected(false));

  target.qemu().qmp().Execute("query-status");  // it listens
  source.qemu().qmp().Execute("migrate", {{"uri", channel}});
  target.qemu().qmp().WaitEvent("RESUME");
  ExpectDriversAddresses(target);
  // The base forgets the VLANs in a migration; everything else of the filter is kept.
  std::vector<std::string> arrived = Arrivals(target, driver), expected = Expected(true);
  for (auto* names : {&arrived, &expected}) std::erase(*names, "own address, listed VLAN");
  EXPECT_EQ(arrived, expected);
}

}  // namespace
}  // namespace stx
