// SPDX-License-Identifier: GPL-2.0-or-later
// What a driver may rely on of packed virtqueues (virtio 1.2, section 2.8), on requests of
// virtio-blk: the order of descriptors, wrap counters, and notifications in both directions.

#include "harness/host/slow_fsync.h"
#include "virtio/disk_fixture.h"

namespace stx {
namespace {

constexpr uint64_t kPacked = virtio::Bit(virtio::kFeatureRingPacked),
                   kEventIndex = virtio::Bit(virtio::kFeatureEventIndex),
                   kIndirect = virtio::Bit(virtio::kFeatureIndirect);
constexpr uint16_t kNext = 1, kWrite = 2, kTable = 4, kAvailable = 1 << 7, kUsed = 1 << 15;
/// Flags of an event suppression structure (2.8.10).
constexpr uint16_t kEnable = 0, kDisable = 1, kDescriptor = 2;

class PackedRing : public DiskTest {
 protected:
  void StartPacked(uint64_t features = 0, uint16_t size = 16) {
    Start(",packed=on");
    ASSERT_EQ(device->Negotiate(kPacked | features) & (kPacked | features), kPacked | features);
    ring.emplace(device->SetUpPackedQueue(0, *heap, size));
    device->SetDriverOk();
  }

  struct Descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t id, flags;
    bool operator==(const Descriptor&) const = default;
  };
  uint64_t At(uint16_t slot) { return ring->descriptor_ring() + 16ULL * slot; }
  Descriptor Slot(uint16_t slot) {
    return {qtest().ReadQ(At(slot)), qtest().ReadL(At(slot) + 8), qtest().ReadW(At(slot) + 12),
            qtest().ReadW(At(slot) + 14)};
  }
  std::vector<uint8_t> Bytes() {
    return qtest().MemRead(ring->descriptor_ring(), 16 * ring->size());
  }
  void WriteAt(uint64_t at, const Descriptor& descriptor) {
    qtest().WriteQ(at, descriptor.address);
    qtest().WriteL(at + 8, descriptor.length);
    qtest().WriteW(at + 12, descriptor.id);
    qtest().WriteW(at + 14, descriptor.flags);
  }
  /// The three descriptors of a request, from `slot` on, with these flags for all of them.
  void WriteChain(uint16_t slot, const Request& request, uint16_t id, uint16_t flags) {
    const auto with = [flags](int more) { return static_cast<uint16_t>(flags | more); };
    WriteAt(At(static_cast<uint16_t>(slot + 2)), {request.status, 1, id, with(kWrite)});
    WriteAt(At(static_cast<uint16_t>(slot + 1)), {request.id, kIdBytes, id, with(kWrite | kNext)});
    WriteAt(At(slot), {request.header, 16, id, with(kNext)});
  }
  void ExpectPackedServed() {
    const Request request = Make();
    Add(*ring, request);
    device->Notify(0);
    EXPECT_EQ(ring->Wait(Deadline(kWait)).written, kIdBytes + 1);
    EXPECT_TRUE(Answered(request));
  }
  /// Neither the request nor the ring is touched after a notification.
  void ExpectUntouched(const Request& request) {
    const auto before = Bytes();
    device->Isr();
    device->Notify(0);
    EXPECT_FALSE(HoldsBefore(Deadline(Milliseconds(20)), [&] {
      return qtest().ReadB(request.status) != 0xee || Bytes() != before;
    }));
    EXPECT_EQ(device->Isr() & 1, 0);
    EXPECT_EQ(qtest().ReadB(request.id), 0xee);
    EXPECT_EQ(device->Status() & virtio::kNeedsReset, 0);
  }
  void SetDriverEvent(uint16_t flags, uint16_t offset = 0) {
    qtest().WriteW(ring->driver_events(), offset);
    qtest().WriteW(ring->driver_events() + 2, flags);
  }
  /// Whether one more request is notified to the driver.
  bool Interrupts() {
    device->Isr();
    ExpectPackedServed();
    return HoldsBefore(Deadline(Milliseconds(50)), [&] { return device->Isr() & 1; });
  }

  std::optional<PackedVirtqueue> ring;
};

// The first request that completes is told in the slot where the first began, whichever it is.
TEST_F(PackedRing, RequestsAreTakenInTheirOrderAndToldAsTheyComplete) {
  Covers({"virtio 2.8.5 start-order", "virtio 2.8.5 write-order"});
  SlowFsync fsync;
  environment = fsync.Environment();
  StartPacked(virtio::Bit(9));  // FLUSH
  // A write, so that a flush has something to do; slots 0 to 2.
  const uint64_t header = heap->Allocate(16), data = heap->Allocate(512),
                 status = heap->Allocate(1);
  qtest().MemSet(header, 16, 0);
  qtest().WriteL(header, 1);
  ring->Add({{header, 16, false}, {data, 512, false}, {status, 1, true}});
  device->Notify(0);
  EXPECT_EQ(ring->Wait(Deadline(kWait)).written, 1u);

  fsync.Hold();
  const size_t before = fsync.Begun();
  const Request flush = Make();
  qtest().WriteL(flush.header, 4);
  ring->Add({{flush.header, 16, false}, {flush.status, 1, true}});  // id 3, slots 3 and 4
  device->Notify(0);
  fsync.WaitBegun(before + 1);
  const Request first = Make(), second = Make();
  Add(*ring, first);   // id 5, slots 5 to 7
  Add(*ring, second);  // id 8, slots 8 to 10
  const Descriptor untouched[] = {Slot(4), Slot(5), Slot(7)};
  device->Notify(0);
  WaitUntil("the second", Deadline(kWait), [&] { return qtest().ReadB(second.status) == 0; });
  WaitUntil("its descriptor", Deadline(kWait), [&] { return Slot(6).id == 8; });
  EXPECT_EQ(Slot(3).id, 5) << "the first that completed";
  EXPECT_EQ(Slot(3).length, kIdBytes + 1);
  EXPECT_EQ(Slot(3).flags & (kAvailable | kUsed), kAvailable | kUsed);
  EXPECT_EQ(Slot(6).length, kIdBytes + 1);
  EXPECT_EQ(Slot(4), untouched[0]) << "a chain is told in one descriptor";
  EXPECT_EQ(Slot(5), untouched[1]);
  EXPECT_EQ(Slot(7), untouched[2]);
  EXPECT_TRUE(Answered(first) && Answered(second));
  fsync.Release();
  WaitUntil("the flush", Deadline(kWait), [&] { return qtest().ReadB(flush.status) == 0; });
  WaitUntil("its descriptor", Deadline(kWait), [&] { return Slot(9).id == 3; });
  EXPECT_EQ(Slot(9).length, 1u);
}

TEST_F(PackedRing, AChainIsUsedInTheOrderOfItsDescriptors) {
  Covers({"virtio 2.8.6.1 chain-order", "virtio 2.8.5 start-order"});
  StartPacked(0, 12);
  // Chains of six, so that every other one goes over the end of the ring after a chain of three.
  for (int lap = 0; lap < 5; ++lap) {
    ExpectPackedServed();
    const Request request = Make();
    const uint64_t parts[] = {heap->Allocate(7), heap->Allocate(5), heap->Allocate(8)};
    ring->Add({{request.header, 3, false},
               {request.header + 3, 13, false},
               {parts[2], 8, true},  // the higher address first
               {parts[0], 7, true},
               {parts[1], 5, true},
               {request.status, 1, true}});
    device->Notify(0);
    EXPECT_EQ(ring->Wait(Deadline(kWait)).written, kIdBytes + 1);
    std::string id;
    for (const auto& [at, size] : {std::pair{parts[2], 8}, {parts[0], 7}, {parts[1], 5}}) {
      const auto bytes = qtest().MemRead(at, static_cast<size_t>(size));
      id.append(bytes.begin(), bytes.end());
    }
    EXPECT_EQ(id, "serial-1" + std::string(12, '\0')) << lap;
  }
}

TEST_F(PackedRing, OnlyWhatTheDeviceMayWriteIsWritten) {
  Covers({"virtio 2.8.5.1 read-only-buffers", "virtio 2.8.5.1 used-is-last"});
  StartPacked();
  const uint64_t guard = heap->Allocate(64);
  qtest().MemSet(guard, 64, 0x77);
  const Request request = Make();
  const auto header = qtest().MemRead(request.header, 16);
  const uint64_t id = guard + 20;
  ring->Add({{request.header, 16, false}, {id, kIdBytes, true}, {request.status, 1, true}});
  const Descriptor rest[] = {Slot(1), Slot(2)};
  device->Notify(0);
  EXPECT_EQ(ring->Wait(Deadline(kWait)).written, kIdBytes + 1);
  EXPECT_TRUE(qtest().MemRead(request.header, 16) == header);
  const auto around = qtest().MemRead(guard, 64);
  for (size_t i = 0; i < 64; ++i)
    if (i < 20 || i >= 40) {
      EXPECT_EQ(around[i], 0x77) << i;
    }
  EXPECT_EQ(Slot(1), rest[0]);
  EXPECT_EQ(Slot(2), rest[1]);
  const Descriptor used = Slot(0);
  EXPECT_EQ(used.id, 0);
  // The driver may take a used descriptor for other things at once.
  for (int i = 0; i < 4; ++i) ExpectPackedServed();
  EXPECT_EQ(Slot(0), used);
}

TEST_F(PackedRing, ADescriptorOfAnotherLapIsNotAvailable) {
  Covers({"virtio 2.8.5.1 avail-changed"});
  StartPacked(0, 6);  // two requests are a lap
  for (int lap = 0; lap < 6; ++lap) {
    SCOPED_TRACE(lap);
    // While the driver's wrap counter is 1, AVAIL and not USED is available, and the reverse in the
    // other laps (2.8.1).
    const uint16_t available = lap % 2 ? kUsed : kAvailable;
    const auto stale = static_cast<uint16_t>((kAvailable | kUsed) & ~available);
    for (uint16_t flags : {stale, uint16_t{0}, uint16_t{kAvailable | kUsed}}) {
      const Request request = Make();
      const auto before = Bytes();
      WriteChain(0, request, 0, flags);
      ExpectUntouched(request);
      qtest().MemWrite(ring->descriptor_ring(), before.data(), before.size());
    }
    for (int i = 0; i < 2; ++i) {
      ExpectPackedServed();
      WaitUntil("the interrupt", Deadline(kWait), [&] { return device->Isr() & 1; });
    }
  }
}

TEST_F(PackedRing, AnIndirectTableIsOneDescriptor) {
  StartPacked(kIndirect);
  const uint64_t table = heap->Allocate(48);
  for (uint16_t i = 0; i < 20; ++i) {
    const Request request = Make();
    // In a table NEXT and the id mean nothing (2.8.8).
    WriteAt(table, {request.header, 16, 77, 0});
    WriteAt(table + 16, {request.id, kIdBytes, 78, kWrite});
    WriteAt(table + 32, {request.status, 1, 79, kWrite});
    const auto before = qtest().MemRead(table, 48);
    const auto slot = static_cast<uint16_t>(i % 16);
    const uint16_t available = i < 16 ? kAvailable : kUsed;
    WriteAt(At(slot),
            {table, 48, static_cast<uint16_t>(100 + i), static_cast<uint16_t>(kTable | available)});
    device->Notify(0);
    WaitUntil("it is used", Deadline(kWait), [&] {
      return (Slot(slot).flags & (kAvailable | kUsed)) == (i < 16 ? kAvailable | kUsed : 0);
    });
    EXPECT_EQ(Slot(slot).id, 100 + i);
    EXPECT_EQ(Slot(slot).length, kIdBytes + 1);
    EXPECT_TRUE(Answered(request));
    EXPECT_TRUE(qtest().MemRead(table, 48) == before);
  }
}

TEST_F(PackedRing, TheDriversEventFlagsAskForInterrupts) {
  StartPacked();
  for (uint16_t offset : {uint16_t{0}, uint16_t{3}, uint16_t{0x8003}}) {
    SetDriverEvent(kEnable, offset);
    EXPECT_TRUE(Interrupts()) << offset;
    SetDriverEvent(kDisable, offset);
    EXPECT_FALSE(Interrupts()) << offset;
  }
}

// With EVENT_IDX the interrupt comes when the descriptor at the offset, of the lap that bit 15
// names, is used.
TEST_F(PackedRing, TheDriversEventOffsetAsksForInterrupts) {
  StartPacked(kEventIndex, 12);  // four requests are a lap
  SetDriverEvent(kEnable);
  EXPECT_TRUE(Interrupts());  // slots 0 to 2
  SetDriverEvent(kDescriptor, 6 | 1 << 15);
  EXPECT_FALSE(Interrupts()) << "3 to 5";
  EXPECT_TRUE(Interrupts()) << "6 to 8";
  ExpectPackedServed();  // 9 to 11; QEMU interrupts whenever the ring wraps, which is allowed
  SetDriverEvent(kDescriptor, 5);  // of the second lap, whose wrap counter is 0
  EXPECT_FALSE(Interrupts()) << "0 to 2";
  EXPECT_TRUE(Interrupts()) << "3 to 5";
  SetDriverEvent(kDescriptor, 7 | 1 << 15);  // of the third
  EXPECT_FALSE(Interrupts()) << "6 to 8 of the second";
  ExpectPackedServed();  // 9 to 11
  EXPECT_FALSE(Interrupts()) << "0 to 2";
  EXPECT_FALSE(Interrupts()) << "3 to 5";
  EXPECT_TRUE(Interrupts()) << "6 to 8 of the third";
  SetDriverEvent(kDisable, 9 | 1 << 15);
  ExpectPackedServed();  // 9 to 11
  EXPECT_FALSE(Interrupts()) << "none is asked for";
}

TEST_F(PackedRing, TheDevicesEventFlagsAskForNotifications) {
  for (uint64_t features : {uint64_t{0}, kEventIndex}) {
    StartPacked(features, 12);
    for (uint16_t i = 1; i < 10; ++i) {
      ExpectPackedServed();
      // A notification is wanted of the next descriptor, whatever lap it is in.
      const auto slot = static_cast<uint16_t>(3 * i % 12);
      const auto wrap = static_cast<uint16_t>(i / 4 % 2 ? 0 : 1 << 15);
      WaitUntil("the device's event", Deadline(kWait), [&] {
        const uint16_t flags = qtest().ReadW(ring->device_events() + 2);
        return features
                   ? flags == kDescriptor && qtest().ReadW(ring->device_events()) == (slot | wrap)
                   : flags == kEnable;
      });
    }
  }
}

}  // namespace
}  // namespace stx
