// SPDX-License-Identifier: GPL-2.0-or-later
// virtio-net-short-frames.patch, virtio-net-rsc.patch, virtio-net-hash-report.patch,
// virtio-net-queue-reset.patch: which bytes of which frames reach the guest, and the reset of a
// queue that the network does not empty.

#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <exception>
#include <thread>

#include "base/waiting.h"
#include "harness/host/tap_host.h"
#include "harness/qemu/machine_test.h"
#include "harness/virtio/virtio_pci.h"
#include "harness/virtio/virtio_pci_legacy.h"

namespace stx {
namespace {

constexpr Milliseconds kWait{20000};
// virtio 1.2, sections 5.1.3 (features) and 5.1.6.5 (control commands).
constexpr int kGuestCsum = 1, kGuestOffloads = 2, kGuestTso4 = 7, kCtrlVq = 17, kCtrlRx = 18,
              kCtrlVlan = 19, kRingReset = 40, kHashReport = 57, kRsc = 61;
constexpr uint16_t kReceive = 0, kTransmit = 1, kControl = 2;
constexpr uint8_t kClassRx = 0, kRxPromiscuous = 0, kClassVlan = 2, kVlanAdd = 0,
                  kClassOffloads = 5, kOffloadsSet = 0;
constexpr size_t kHeader = 12, kLegacyHeader = 10;
constexpr uint32_t kBuffer = 2048;

const std::string kMac("\x52\x54\0\0\0\1", 6), kPeer("\x52\x54\0\0\1\1", 6);

/// An Ethernet frame with our own type (IEEE 802: local experimental) from the peer to the guest.
std::string Frame(const std::string& payload, const std::string& tag = "") {
  return kMac + kPeer + tag + "\x88\xb5" + payload;
}

class NetTest : public MachineTest {
 protected:
  static constexpr uint8_t kSlot = 5;

  void StartNet(const std::string& netdev, const std::string& properties, uint64_t features,
                std::vector<std::string> args = {}) {
    args.insert(
        args.end(),
        {"-netdev", netdev, "-device",
         "virtio-net-pci,id=net,netdev=n,romfile=,addr=5,mac=52:54:00:00:00:01" + properties});
    StartMachine(args);
    device.emplace(*bus, bus->At(kSlot));
    ASSERT_EQ(device->Negotiate(features) & features, features);
    receive.emplace(device->SetUpQueue(kReceive, *heap, 16));
    transmit.emplace(device->SetUpQueue(kTransmit, *heap));
    if (features & virtio::Bit(kCtrlVq)) control.emplace(device->SetUpQueue(kControl, *heap));
  }
  void SetDriverOk() {
    device->SetDriverOk();
    buffers = heap->Allocate(16 * kBuffer);
    qtest().MemSet(buffers, 16 * kBuffer, 0xaa);
    for (uint64_t i = 0; i < 16; ++i) receive->Add({{buffers + i * kBuffer, kBuffer, true}});
    device->Notify(kReceive);
  }
  /// The status with which a control command completes.
  uint8_t Command(uint8_t command_class, uint8_t command, const std::string& data) {
    const uint64_t at = heap->Allocate(2 + data.size() + 1);
    qtest().WriteB(at, command_class);
    qtest().WriteB(at + 1, command);
    qtest().MemWrite(at + 2, data.data(), data.size());
    const uint64_t status = at + 2 + data.size();
    qtest().WriteB(status, 0xff);
    control->Add(
        {{at, 2, false}, {at + 2, static_cast<uint32_t>(data.size()), false}, {status, 1, true}});
    device->Notify(kControl);
    control->Wait(Deadline(kWait));
    return qtest().ReadB(status);
  }
  /// The next frame that the guest receives.
  std::string Receive() {
    const DriverQueue::Used used = receive->Wait(Deadline(kWait));
    const auto bytes = qtest().MemRead(buffers + used.head * uint64_t{kBuffer}, used.written);
    return {bytes.begin() + kHeader, bytes.end()};
  }

  std::optional<VirtioPciDevice> device;
  std::optional<Virtqueue> receive, transmit, control;
  uint64_t buffers = 0;
};

/// The wire is a datagram socket with one datagram per frame.
class ShortFrame : public NetTest {
 protected:
  void StartDriver(uint64_t features) {
    wire = UniqueFd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const sockaddr_un ours = Address("ours");
    ASSERT_EQ(bind(wire.get(), reinterpret_cast<const sockaddr*>(&ours), sizeof ours), 0);
    StartNet("dgram,id=n,local.type=unix,local.path=" + (dir / "theirs").string() +
                 ",remote.type=unix,remote.path=" + (dir / "ours").string(),
             "", features);
    SetDriverOk();
  }
  sockaddr_un Address(const char* name) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (dir / name).string().copy(address.sun_path, sizeof address.sun_path - 1);
    return address;
  }
  void Send(const std::string& frame) {
    const sockaddr_un theirs = Address("theirs");
    ASSERT_EQ(sendto(wire.get(), frame.data(), frame.size(), 0,
                     reinterpret_cast<const sockaddr*>(&theirs), sizeof theirs),
              static_cast<ssize_t>(frame.size()));
  }
  UniqueFd wire;
};

constexpr uint64_t kFilter = virtio::Bit(kCtrlVq) | virtio::Bit(kCtrlRx) | virtio::Bit(kCtrlVlan);

// The rest of the previous frame in the back-end's memory would make these frames match the guest.
TEST_F(ShortFrame, IsNotCompletedByWhatFollowsItInTheHostsMemory) {
  StartDriver(kFilter);
  ASSERT_EQ(Command(kClassRx, kRxPromiscuous, std::string(1, '\0')), 0);
  ASSERT_EQ(Command(kClassVlan, kVlanAdd, std::string("\7\0", 2)), 0);
  const std::string tagged = Frame("tagged", std::string("\x81\0\0\7", 4));
  Send(tagged);
  Send(tagged.substr(0, 1));
  Send(tagged.substr(0, 13));
  Send(tagged.substr(0, 14));
  Send(tagged.substr(0, 15));
  Send(tagged.substr(0, 16));
  const std::string last = Frame("the last");
  Send(last);
  EXPECT_EQ(Receive(), tagged);
  EXPECT_EQ(Receive(), tagged.substr(0, 16)) << "its tag is whole";
  EXPECT_EQ(Receive(), last);
}

TEST_F(ShortFrame, IsDeliveredWithoutAFilter) {
  StartDriver(0);
  Send(kMac.substr(0, 1));
  Send(Frame("the last"));
  EXPECT_EQ(Receive(), kMac.substr(0, 1));
  EXPECT_EQ(Receive(), Frame("the last"));
}

/// The wire is a tap, whose back-end has virtio-net headers.
class TapNet : public NetTest {
 protected:
  void SetUp() override {
    std::string why_not;
    tap = Tap::Make("tap0_fix", 1, &why_not);
    if (!tap) GTEST_SKIP() << why_not;
    RunInNamespace(*tap, [&] {
      wire = UniqueFd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
      if (!wire) ThrowErrno("socket(AF_PACKET)");
      index = if_nametoindex("tap0_fix");
    });
  }
  void StartTap(const std::string& properties, uint64_t features) {
    inherited = {tap->fds().at(0).get()};
    StartNet("tap,id=n,vhost=off,fd=4", properties, features);
  }
  void Send(const std::string& frame) {
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_ifindex = static_cast<int>(index);
    ASSERT_EQ(sendto(wire.get(), frame.data(), frame.size(), 0,
                     reinterpret_cast<const sockaddr*>(&to), sizeof to),
              static_cast<ssize_t>(frame.size()));
  }

  std::optional<Tap> tap;
  UniqueFd wire;
  unsigned index = 0;
};

std::string Be16(size_t value) { return {static_cast<char>(value >> 8), static_cast<char>(value)}; }
std::string Be32(size_t value) { return Be16(value >> 16) + Be16(value & 0xffff); }

/// A TCP segment with these bytes of its stream, padded to the minimum Ethernet frame.
std::string Segment(uint32_t sequence, const std::string& payload) {
  std::string frame = kMac + kPeer + Be16(0x0800);
  frame += std::string("\x45\0", 2) + Be16(40 + payload.size()) + Be16(1) + Be16(0x4000) +
           std::string("\x40\6\0\0", 4) + Be32(0x0a000001) + Be32(0x0a000002);
  frame += Be16(1000) + Be16(2000) + Be32(sequence) + Be32(1) + std::string("\x50\x10\1\0", 4) +
           Be32(0) + payload;
  frame.resize(std::max<size_t>(frame.size(), 60), '\xee');
  return frame;
}
constexpr size_t kTcpData = 14 + 20 + 20;

class Rsc : public TapNet {
 protected:
  /// The bytes of the stream that begins at 1 as the guest gets them, in `frames` frames.
  std::string Stream(size_t length, int* frames) {
    std::string stream;
    for (*frames = 0; stream.size() < length;) {
      const std::string frame = Receive();
      if (frame.substr(12, 2) != Be16(0x0800)) continue;  // not ours
      ++*frames;
      const size_t data =
          (static_cast<uint8_t>(frame[16]) << 8 | static_cast<uint8_t>(frame[17])) - 40;
      stream += frame.substr(kTcpData, data);
    }
    return stream;
  }
};

constexpr uint64_t kCoalesce = virtio::Bit(kGuestCsum) | virtio::Bit(kGuestTso4);

// Both are there before the device may read, so that it finds them together.
TEST_F(Rsc, CoalescesDataAndNotThePaddingOfAFrame) {
  StartTap(",guest_rsc_ext=on", kCoalesce | virtio::Bit(kRsc));
  if (HasFailure()) return;
  Send(Segment(1, "A"));
  Send(Segment(2, "BCDEFGHIJKLMNOPQRSTUVWXYZ"));
  SetDriverOk();
  int frames = 0;
  EXPECT_EQ(Stream(26, &frames), "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
  EXPECT_EQ(frames, 1);
}

TEST_F(Rsc, IsNotSwitchedOnByACommandWhenItWasNotNegotiated) {
  StartTap("", kCoalesce | virtio::Bit(kCtrlVq) | virtio::Bit(kGuestOffloads));
  if (HasFailure()) return;
  SetDriverOk();
  std::string offloads(8, '\0');
  const uint64_t bits = kCoalesce | virtio::Bit(kRsc);
  for (size_t i = 0; i < 8; ++i) offloads[i] = static_cast<char>(bits >> 8 * i);
  EXPECT_EQ(Command(kClassOffloads, kOffloadsSet, offloads), 1);
  qmp().Execute("stop");
  Send(Segment(1, "A"));
  Send(Segment(2, "BCDEFGHIJKLMNOPQRSTUVWXYZ"));
  qmp().Execute("cont");
  int frames = 0;
  EXPECT_EQ(Stream(26, &frames), "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
  EXPECT_EQ(frames, 2);
}

class HashReport : public TapNet {};

// The first driver's header has a hash. The next driver's header, without VERSION_1, ends before
// it.
TEST_F(HashReport, OfAnEarlierDriverFillsNoBuffer) {
  StartTap(",hash=on,disable-legacy=off", virtio::Bit(kHashReport));
  if (HasFailure()) return;
  SetDriverOk();
  device->Reset();

  VirtioPciLegacyDevice legacy(*bus, bus->At(kSlot));
  legacy.Negotiate(0);
  Virtqueue queue = legacy.SetUpQueue(kReceive, *heap);
  legacy.SetDriverOk();
  const uint64_t buffer = heap->Allocate(16 * kBuffer);
  qtest().MemSet(buffer, 16 * kBuffer, 0xaa);
  for (uint64_t i = 0; i < 16; ++i) queue.Add({{buffer + i * kBuffer, kBuffer, true}});
  legacy.Notify(kReceive);
  std::string frame = Frame("to the next driver");
  frame.resize(60);
  Send(frame);
  for (const Deadline deadline(kWait);;) {
    const DriverQueue::Used used = queue.Wait(deadline);
    const auto bytes = qtest().MemRead(buffer + used.head * uint64_t{kBuffer}, kBuffer);
    EXPECT_EQ(std::count(bytes.begin() + used.written, bytes.end(), 0xaa), kBuffer - used.written);
    const std::string got(bytes.begin() + kLegacyHeader, bytes.begin() + used.written);
    if (got == frame) break;  // others come from the host itself
  }
}

/// The wire is a stream that nobody reads.
class FullWire : public NetTest {
 protected:
  void StartStream(uint64_t features) {
    UniqueFd listener = ListenUnix(dir / "wire");
    StartNet("stream,id=n,server=off,addr.type=unix,addr.path=" + (dir / "wire").string(), "",
             features);
    if (HasFailure()) return;
    wire = Accept(listener.get(), Deadline(kWait));
    // Until QEMU has seen it, frames are dropped instead of queued. Its event may come too early
    // for a client of QMP.
    WaitUntil("the wire is connected", Deadline(kWait), [&] {
      const std::string networks =
          qmp().Execute("human-monitor-command", {{"command-line", "info network"}});
      return networks.find("unix:") != std::string::npos;
    });
  }
  void Fill() {
    constexpr uint32_t kSize = 32 << 10;
    frame = heap->Allocate(kHeader + kSize);
    const uint16_t count = transmit->size();
    for (uint16_t i = 0; i < count; ++i) transmit->Add({{frame, kHeader + kSize, false}});
    device->Notify(kTransmit);
    ExpectAlive();
    int sent = 0;
    while (transmit->Take()) ++sent;
    ASSERT_LT(sent, count - 2) << "the wire takes everything";
  }
  UniqueFd wire;
  uint64_t frame = 0;
};

class QueueReset : public FullWire {};

TEST_F(QueueReset, OfATransmitQueueThatTheNetworkDoesNotEmpty) {
  StartStream(virtio::Bit(kRingReset));
  if (HasFailure()) return;
  SetDriverOk();
  Fill();
  if (HasFailure()) return;

  qtest().WriteW(device->common() + virtio_pci::kQueueSelect, kTransmit);
  qtest().WriteW(device->common() + virtio_pci::kQueueReset, 1);
  ExpectAlive();
  if (HasFailure()) return;
  EXPECT_EQ(qtest().ReadW(device->common() + virtio_pci::kQueueReset), 0);
  // The queue is served again once the wire is.
  transmit.emplace(device->SetUpQueue(kTransmit, *heap));
  transmit->Add({{frame, kHeader + 60, false}});
  device->Notify(kTransmit);
  std::string read(1 << 20, '\0');
  for (const Deadline deadline(kWait); !transmit->Take();) {
    ASSERT_FALSE(deadline.Passed()) << "the new queue is not served";
    if (WaitFor(wire.get(), POLLIN, Deadline(Milliseconds(10)))) {
      ASSERT_GT(recv(wire.get(), read.data(), read.size(), 0), 0);
    }
  }
}

/// A transmit queue whose used ring begins at the device's status register: its flags, 0 when the
/// device wants to be notified again, would be written there, which resets the device.
class OwnRegisters : public FullWire {
 protected:
  void PlaceThere() {
    device->PlaceQueue(kTransmit, {transmit->size(), transmit->descriptors(), transmit->available(),
                                   device->common() + virtio_pci::kDeviceStatus});
  }
};

TEST_F(OwnRegisters, AreNotWrittenByABottomHalf) {
  StartNet("hubport,id=n,hubid=0", "", 0);
  if (HasFailure()) return;
  PlaceThere();
  device->SetDriverOk();
  const uint8_t before = device->Status();
  const uint64_t frame = heap->Allocate(kHeader + 60);
  transmit->Add({{frame, kHeader + 60, false}});
  device->Notify(kTransmit);
  // What the main loop has to do is done before the second answer.
  for (int i = 0; i < 20; ++i) ExpectAlive();
  EXPECT_EQ(device->Status(), before);
}

TEST_F(OwnRegisters, AreNotWrittenWhenTheWireTakesAFrameLate) {
  StartStream(0);
  if (HasFailure()) return;
  device->SetDriverOk();
  Fill();
  if (HasFailure()) return;
  PlaceThere();
  const uint8_t before = device->Status();
  std::string read(1 << 20, '\0');
  for (int i = 0; i < 50; ++i) {
    ExpectAlive();
    while (WaitFor(wire.get(), POLLIN, Deadline(Milliseconds(10))))
      ASSERT_GT(recv(wire.get(), read.data(), read.size(), 0), 0);
  }
  EXPECT_EQ(device->Status(), before);
  EXPECT_FALSE(transmit->Take()) << "the ring is still where it was";
}

}  // namespace
}  // namespace stx
