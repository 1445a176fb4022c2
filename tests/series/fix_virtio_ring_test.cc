// SPDX-License-Identifier: GPL-2.0-or-later
// virtio-packed-*.patch, virtio-queue-size.patch, virtio-features-ring-cache.patch: rings that no
// driver makes. In each case the device must either report that it needs a reset or continue, and
// the monitor must answer.

#include <poll.h>
#include <sys/socket.h>

#include "harness/qemu/machine_test.h"
#include "harness/virtio/virtio_pci.h"

namespace stx {
namespace {

constexpr Milliseconds kWait{20000};
constexpr uint64_t kPacked = virtio::Bit(virtio::kFeatureRingPacked),
                   kIndirectFeature = virtio::Bit(virtio::kFeatureIndirect);
constexpr uint16_t kNext = 1, kWrite = 2, kIndirect = 4, kAvailable = 1 << 7, kUsed = 1 << 15;
using enum virtio_pci::Common;

class RingTest : public MachineTest {
 protected:
  static constexpr uint8_t kSlot = 5;

  /// `device` is -device without its slot.
  void StartDevice(const std::string& device, std::vector<std::string> args) {
    args.insert(args.end(), {"-device", device + ",addr=5"});
    StartMachine(args);
    this->device.emplace(*bus, bus->At(kSlot));
  }
  void WaitNeedsReset() {
    for (Deadline deadline(kWait); !(device->Status() & virtio::kNeedsReset);)
      ASSERT_FALSE(deadline.Passed()) << "the device does not report it";
  }
  /// Descriptor `index` of a packed ring.
  void WritePacked(const PackedVirtqueue& queue, uint16_t index, uint64_t address, uint32_t length,
                   uint16_t flags) {
    const uint64_t at = queue.descriptor_ring() + 16ULL * index;
    qtest().WriteQ(at, address);
    qtest().WriteL(at + 8, length);
    qtest().WriteW(at + 12, index);
    qtest().WriteW(at + 14, flags);
  }

  std::optional<VirtioPciDevice> device;
};

struct Victim {
  const char* name;
  const char* device;
  uint16_t queue;
  std::vector<std::string> args;
  friend void PrintTo(const Victim& v, std::ostream* out) { *out << v.name; }
};

class PackedRing : public RingTest, public testing::WithParamInterface<Victim> {
 protected:
  PackedVirtqueue StartVictim() {
    WriteFile(dir / "disk", std::string(1 << 20, 'd'));
    std::vector<std::string> args = GetParam().args;
    for (std::string& arg : args)
      if (const size_t at = arg.find("@disk@"); at != std::string::npos)
        arg.replace(at, 6, (dir / "disk").string());
    StartDevice(std::string(GetParam().device) + ",packed=on", args);
    EXPECT_TRUE(device->Negotiate(kPacked | kIndirectFeature) & kPacked);
    PackedVirtqueue queue = device->SetUpPackedQueue(GetParam().queue, *heap, 16);
    device->SetDriverOk();
    return queue;
  }
};

TEST_P(PackedRing, AnIndirectTableOfNoLengthBreaksTheDevice) {
  PackedVirtqueue queue = StartVictim();
  WritePacked(queue, 0, heap->Allocate(16), 0, kAvailable | kIndirect);
  device->Notify(GetParam().queue);
  ExpectAlive();
  if (!HasFailure()) WaitNeedsReset();
}

// The length of the table is wrong: nothing can be taken from the queue, and it stays as it is.
TEST_P(PackedRing, OfABrokenDeviceIsNotLookedAtForEver) {
  PackedVirtqueue queue = StartVictim();
  WritePacked(queue, 0, heap->Allocate(32), 17, kAvailable | kIndirect);
  device->Notify(GetParam().queue);
  ExpectAlive();
  if (!HasFailure()) WaitNeedsReset();
}

INSTANTIATE_TEST_SUITE_P(
    Devices, PackedRing,
    testing::Values(
        Victim{
            "Blk", "virtio-blk-pci,drive=d", 0, {"-drive", "if=none,id=d,format=raw,file=@disk@"}},
        Victim{"Scsi", "virtio-scsi-pci", 2, {}},
        Victim{"Net", "virtio-net-pci,netdev=n,romfile=", 1, {"-netdev", "hubport,id=n,hubid=0"}},
        Victim{"Serial", "virtio-serial-pci", 3, {}}, Victim{"Rng", "virtio-rng-pci", 0, {}}),
    [](const auto& victim) { return victim.param.name; });

/// A virtio-net with packed rings and a socket of ours as its wire (-netdev stream).
class PackedNet : public RingTest {
 protected:
  static constexpr uint16_t kReceive = 0, kTransmit = 1, kSize = 16;
  static constexpr uint64_t kMergeable = 1 << 15;

  void StartNet(uint64_t features, uint16_t receive_size) {
    UniqueFd listener = ListenUnix(dir / "wire");
    StartDevice(
        "virtio-net-pci,id=net,netdev=n,romfile=,packed=on",
        {"-netdev", "stream,id=n,server=off,addr.type=unix,addr.path=" + (dir / "wire").string()});
    wire = Accept(listener.get(), Deadline(kWait));
    ASSERT_TRUE(device->Negotiate(kPacked | features) & kPacked);
    receive.emplace(device->SetUpPackedQueue(kReceive, *heap, receive_size));
    transmit.emplace(device->SetUpPackedQueue(kTransmit, *heap, kSize));
    device->SetDriverOk();
  }
  /// Sends a frame of `size` bytes (below 64 KiB) to the guest.
  void Send(size_t size) {
    WriteAll(wire.get(), std::string{0, 0, static_cast<char>(size >> 8), static_cast<char>(size)});
    WriteAll(wire.get(), std::string(size, '\xff'));
  }

  UniqueFd wire;
  std::optional<PackedVirtqueue> receive, transmit;
};

// A frame needs two chains: one with 15 of the ring's 16 descriptors, and one that begins with the
// last descriptor and continues through those 15. The device returns both at once, and each time
// counts further past the end of the ring.
TEST_F(PackedNet, AChainDoesNotRunIntoWhatTheDeviceHas) {
  StartNet(kMergeable, kSize);
  constexpr uint32_t kLength = 120;  // 15 of these are 12 bytes too few for the frame and its
                                     // header
  const uint64_t buffer = heap->Allocate(kLength);
  for (const uint16_t first : {0, 15, 14}) {
    const auto last = static_cast<uint16_t>((first + kSize - 2) % kSize);
    const auto second = static_cast<uint16_t>((last + 1) % kSize);
    for (uint16_t i = 0; i < kSize; ++i) {
      // The ring's wrap counter changes between the two, except before the first round.
      const bool wrapped = i == first && first != 0;
      WritePacked(
          *receive, i, buffer, kLength,
          static_cast<uint16_t>(kWrite | (wrapped ? kUsed : kAvailable) | (i == last ? 0 : kNext)));
    }
    ASSERT_NE(second, first);
    device->Notify(kReceive);
    const auto flags = [&] {
      return qtest().ReadW(receive->descriptor_ring() + 16ULL * first + 14);
    };
    const uint16_t offered = flags();
    Send(1800);
    for (const Deadline deadline(kWait);
         flags() == offered && !(device->Status() & virtio::kNeedsReset);)
      ASSERT_FALSE(deadline.Passed()) << "the device neither uses nor refuses the chains";
    if (device->Status() & virtio::kNeedsReset) break;
  }
  EXPECT_TRUE(device->Status() & virtio::kNeedsReset);
  ExpectAlive();
}

TEST_F(PackedNet, ADroppedQueueOfEndlessChainsEnds) {
  StartNet(0, kSize);
  qmp().Execute("set_link", {{"name", "net"}, {"up", false}});
  const uint64_t buffer = heap->Allocate(64);
  for (uint16_t i = 0; i < kSize; ++i) WritePacked(*transmit, i, buffer, 64, kAvailable | kNext);
  device->Notify(kTransmit);
  ExpectAlive();
  if (!HasFailure()) WaitNeedsReset();
}

// Buffers of frames that are dropped while the link is down come back, and the queue works when it
// is up again.
TEST_F(PackedNet, GoesOnAfterFramesWereDropped) {
  StartNet(0, kSize);
  const uint64_t frame = heap->Allocate(12 + 60);
  qmp().Execute("set_link", {{"name", "net"}, {"up", false}});
  for (int i = 0; i < 3; ++i) transmit->Add({{frame, 12, false}, {frame + 12, 60, false}});
  device->Notify(kTransmit);
  for (int i = 0; i < 3; ++i) transmit->Wait(Deadline(kWait));
  qmp().Execute("set_link", {{"name", "net"}, {"up", true}});
  qtest().MemSet(frame, 12, 0);
  qtest().MemSet(frame + 12, 60, 0x77);
  transmit->Add({{frame, 12, false}, {frame + 12, 60, false}});
  device->Notify(kTransmit);
  transmit->Wait(Deadline(kWait));
  EXPECT_EQ(device->Status() & virtio::kNeedsReset, 0);
  std::string got(64, '\0');
  ASSERT_TRUE(WaitFor(wire.get(), POLLIN, Deadline(kWait)));
  ASSERT_EQ(recv(wire.get(), got.data(), got.size(), MSG_WAITALL), 64);
  EXPECT_EQ(got, std::string("\0\0\0\x3c", 4) + std::string(60, '\x77'));
}

class QueueSize : public RingTest {};

// CVE-2026-50626
TEST_F(QueueSize, AboveWhatIsOfferedBreaksTheDevice) {
  StartDevice("virtio-net-pci,netdev=n,romfile=,packed=on", {"-netdev", "hubport,id=n,hubid=0"});
  device->Negotiate(kPacked);
  const uint16_t offered = device->QueueMaxSize(0);
  ASSERT_EQ(offered, 256);
  qtest().WriteW(device->common() + kQueueSize, 1024);
  EXPECT_TRUE(device->Status() & virtio::kNeedsReset);
  EXPECT_EQ(device->QueueMaxSize(0), offered);
  ExpectAlive();
  // The next driver, which takes half of the size, is served.
  device->Negotiate(0);
  EXPECT_EQ(device->Status() & virtio::kNeedsReset, 0);
  device->SetUpQueue(0, *heap, 128);
  EXPECT_EQ(device->QueueMaxSize(0), 128);
}

TEST_F(QueueSize, OfARingInUseStaysWhatItIs) {
  StartDevice("virtio-serial-pci", {});
  device->Negotiate(1 << 1 /* MULTIPORT */);
  constexpr uint16_t kControl = 3;
  Virtqueue queue = device->SetUpQueue(kControl, *heap, 8);
  device->SetDriverOk();
  qtest().WriteW(device->common() + kQueueSelect, kControl);
  qtest().WriteW(device->common() + kQueueSize, 32);
  const uint64_t message = heap->Allocate(8);
  for (int i = 0; i < 24; ++i) {
    queue.Add({{message, 8, false}});
    device->Notify(kControl);
    queue.Wait(Deadline(kWait));
  }
  EXPECT_EQ(device->QueueMaxSize(kControl), 8);
  EXPECT_EQ(device->Status() & virtio::kNeedsReset, 0);
  ExpectAlive();
}

class Features : public RingTest {};

TEST_F(Features, ThatAreTakenBackLeaveARingThatWorks) {
  StartDevice("virtio-rng-pci,packed=on", {});
  device->Reset();
  device->SetStatus(virtio::kAcknowledge | virtio::kDriver);
  const auto write = [&](uint64_t features) {
    for (uint32_t half : {0U, 1U}) {
      qtest().WriteL(device->common() + kDriverFeatureSelect, half);
      qtest().WriteL(device->common() + kDriverFeature,
                     static_cast<uint32_t>(features >> 32 * half));
    }
  };
  const uint64_t modern = virtio::Bit(virtio::kFeatureVersion1);
  write(modern | kPacked);
  Virtqueue queue = device->SetUpQueue(0, *heap, 8);
  write(modern);
  device->SetStatus(virtio::kAcknowledge | virtio::kDriver | virtio::kFeaturesOk);
  device->SetDriverOk();
  queue.Add({{heap->Allocate(16), 16, true}});
  device->Notify(0);
  EXPECT_EQ(queue.Wait(Deadline(kWait)).written, 16u);
  ExpectAlive();
}

}  // namespace
}  // namespace stx
