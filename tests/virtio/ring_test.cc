// SPDX-License-Identifier: GPL-2.0-or-later
// What a driver may rely on of split virtqueues (virtio 1.2, section 2.7), on the smallest requests
// of virtio-blk: descriptors, notifications in both directions, and indices that wrap.

#include "virtio/disk_fixture.h"

namespace stx {
namespace {

constexpr uint64_t kIndirect = virtio::Bit(virtio::kFeatureIndirect),
                   kEventIndex = virtio::Bit(virtio::kFeatureEventIndex);

class Ring : public DiskTest {
 protected:
  /// The available ring's flags and used_event, the used ring's flags and avail_event.
  void SetFlags(uint16_t flags) { qtest().WriteW(queue->available(), flags); }
  void SetUsedEvent(uint16_t event) {
    qtest().WriteW(queue->available() + 4 + 2ULL * queue->size(), event);
  }
  uint16_t UsedFlags() { return qtest().ReadW(queue->used()); }
  uint16_t AvailEvent() { return qtest().ReadW(queue->used() + 4 + 8ULL * queue->size()); }
  std::vector<uint8_t> Table() { return qtest().MemRead(queue->descriptors(), 16 * queue->size()); }
  /// Whether one more request is notified to the driver.
  bool Interrupts() {
    device->Isr();
    ExpectServed();
    // The interrupt follows the used ring: one that is to come does so at once.
    return HoldsBefore(Deadline(Milliseconds(50)), [&] { return device->Isr() & 1; });
  }
  void WriteIndirect(uint64_t at, uint16_t index, uint64_t address, uint32_t length,
                     uint16_t flags) {
    qtest().WriteQ(at + 16ULL * index, address);
    qtest().WriteL(at + 16ULL * index + 8, length);
    qtest().WriteW(at + 16ULL * index + 12, flags);
    qtest().WriteW(at + 16ULL * index + 14, static_cast<uint16_t>(index + 1));
  }
};

TEST_F(Ring, OnlyWhatTheDeviceMayWriteIsWritten) {
  Covers(
      {"virtio 2.7.5.1 read-only-buffers", "virtio 2.7.5.1 descriptors", "virtio 2.7.8.2 written"});
  Start();
  StartDriver();
  const uint64_t guard = heap->Allocate(64);
  qtest().MemSet(guard, 64, 0x77);
  const Request request = Make();
  const auto header = qtest().MemRead(request.header, 16);
  // The answer is in the middle of the guard; the status has a byte of its own.
  const uint64_t id = guard + 20;
  queue->Add({{request.header, 16, false}, {id, kIdBytes, true}, {request.status, 1, true}});
  const auto table = Table();
  device->Notify(0);
  EXPECT_EQ(queue->Wait(Deadline(kWait)).written, kIdBytes + 1);
  EXPECT_TRUE(Table() == table);
  EXPECT_TRUE(qtest().MemRead(request.header, 16) == header);
  const auto around = qtest().MemRead(guard, 64);
  for (size_t i = 0; i < 64; ++i)
    if (i < 20 || i >= 40) {
      EXPECT_EQ(around[i], 0x77) << i;
    }
  EXPECT_EQ(std::string(around.begin() + 20, around.begin() + 28), "serial-1");
}

TEST_F(Ring, ARequestMayBeCutAnywhere) {
  Covers({"virtio 2.7.4.1 framing"});
  Start();
  StartDriver(0, 32);
  const Request request = Make();
  for (uint32_t out : {1u, 7u, 15u})
    for (uint32_t in : {1u, 10u, 19u}) {
      Clear(request);
      queue->Add({{request.header, out, false},
                  {request.header + out, 16 - out, false},
                  {request.id, in, true},
                  {request.id + in, kIdBytes - in, true},
                  {request.status, 1, true}});
      device->Notify(0);
      EXPECT_EQ(queue->Wait(Deadline(kWait)).written, kIdBytes + 1);
      EXPECT_TRUE(Answered(request)) << out << " " << in;
    }
}

TEST_F(Ring, TheWriteFlagOfAnIndirectTableIsIgnored) {
  Covers({"virtio 2.7.5.3.2 write-flag"});
  Start();
  StartDriver(kIndirect);
  const uint64_t table = heap->Allocate(64);
  for (uint16_t flags :
       {Virtqueue::kIndirect, uint16_t(Virtqueue::kIndirect | Virtqueue::kWrite)}) {
    const Request request = Make();
    WriteIndirect(table, 0, request.header, 16, Virtqueue::kNext);
    WriteIndirect(table, 1, request.id, kIdBytes, Virtqueue::kWrite | Virtqueue::kNext);
    WriteIndirect(table, 2, request.status, 1, Virtqueue::kWrite);
    queue->WriteDescriptor(9, table, 48, flags, 0);
    queue->Offer(9);
    device->Notify(0);
    const DriverQueue::Used used = queue->Wait(Deadline(kWait));
    EXPECT_EQ(used.head, 9);
    EXPECT_EQ(used.written, kIdBytes + 1);
    EXPECT_TRUE(Answered(request));
  }
}

TEST_F(Ring, WithoutEventIndexTheFlagsAskForInterrupts) {
  Covers(
      {"virtio 2.7.7.2 ignore-used-event", "virtio 2.7.7.2 flags-zero", "virtio 2.7.10.2 flags"});
  Start();
  StartDriver();
  for (uint16_t event : {0, 1, 100, 0xffff}) {
    SetUsedEvent(event);
    SetFlags(0);
    EXPECT_TRUE(Interrupts()) << event;
    EXPECT_LE(UsedFlags(), 1);
    SetFlags(1);
    EXPECT_FALSE(Interrupts()) << event;
  }
}

TEST_F(Ring, WithEventIndexUsedEventAsksForInterrupts) {
  Covers(
      {"virtio 2.7.7.2 ignore-flags", "virtio 2.7.7.2 used-event", "virtio 2.7.10.2 flags-zero"});
  Start();
  StartDriver(kEventIndex);
  uint16_t used = 0;
  const auto next = [&] {
    ++used;
    return Interrupts();
  };
  for (uint16_t flags : {0, 1}) {
    SetFlags(flags);
    SetUsedEvent(used);
    EXPECT_TRUE(next()) << "the next";
    EXPECT_FALSE(next()) << "used_event is passed";
    SetUsedEvent(static_cast<uint16_t>(used + 2));
    EXPECT_FALSE(next());
    EXPECT_FALSE(next());
    EXPECT_TRUE(next()) << "the third";
    SetUsedEvent(static_cast<uint16_t>(used - 1));
    EXPECT_FALSE(next()) << "one of before";
    EXPECT_EQ(UsedFlags(), 0);
  }
}

TEST_F(Ring, AvailEventFollowsWhatWasTaken) {
  Start();
  StartDriver(kEventIndex);
  for (uint16_t i = 1; i < 40; ++i) {
    ExpectServed();
    WaitUntil("avail_event", Deadline(kWait), [&] { return AvailEvent() == i; });
  }
}

TEST_F(Ring, ANotificationOfNothingDoesNoHarm) {
  Covers({"virtio 2.7.10.2 spurious"});
  Start();
  StartDriver();
  for (int i = 0; i < 5; ++i) device->Notify(0);
  ExpectNothing(*queue);
  ExpectServed();
  device->Notify(0);
  ExpectNothing(*queue);
  EXPECT_EQ(device->Status() & virtio::kNeedsReset, 0);
}

// Indices are of 16 bits whatever the ring's size; used_event is compared modulo them.
TEST_F(Ring, IndicesWrapAtTheirEnd) {
  for (uint64_t features : {uint64_t{0}, kEventIndex}) {
    Start();
    StartDriver(features, 256);
    const Request request = Make();
    uint32_t done = 0;
    while (done < 65536 - 64) {
      for (int i = 0; i < 64; ++i) Add(*queue, request);
      device->Notify(0);
      for (int i = 0; i < 64; ++i) queue->Wait(Deadline(kWait));
      done += 64;
    }
    if (features) {
      SetUsedEvent(static_cast<uint16_t>(done + 65));
      device->Isr();
      for (int i = 0; i < 65; ++i) ExpectServed();
      EXPECT_EQ(device->Isr() & 1, 0) << "an interrupt before used_event";
      ExpectServed();
      WaitUntil("the interrupt", Deadline(kWait), [&] { return device->Isr() & 1; });
    } else {
      for (int i = 0; i < 130; ++i) ExpectServed();
    }
    EXPECT_TRUE(Answered(request));
  }
}

}  // namespace
}  // namespace stx
