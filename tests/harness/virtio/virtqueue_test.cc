// SPDX-License-Identifier: GPL-2.0-or-later
// The driver's side of a split ring, byte by byte (virtio 1.2, section 2.7), in memory without a
// QEMU. The cases act as the device.
#include "harness/virtio/virtqueue.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "base/throws.h"

namespace stx {
namespace {

class SplitRing : public testing::Test {
 protected:
  static constexpr uint16_t kSize = 4;
  static constexpr uint64_t kBase = 2 << 20;

  SplitRing() : ram(4 << 20, 0xee), qtest(UniqueFd()) { qtest.MapRam(ram); }
  template <typename T>
  T At(uint64_t address) const {
    T value;
    std::memcpy(&value, ram.data() + address, sizeof(T));
    return value;
  }
  template <typename T>
  void Put(uint64_t address, T value) {
    std::memcpy(ram.data() + address, &value, sizeof(T));
  }
  struct Descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags, next;
    bool operator==(const Descriptor&) const = default;
  };
  Descriptor DescriptorAt(uint64_t table, uint16_t index) const {
    return At<Descriptor>(table + 16ULL * index);
  }
  /// The device returns `head`.
  void GiveBack(const Virtqueue& queue, uint16_t head, uint32_t written) {
    const auto index = At<uint16_t>(queue.used() + 2);
    Put<uint32_t>(queue.used() + 4 + 8ULL * (index % kSize), head);
    Put<uint32_t>(queue.used() + 8 + 8ULL * (index % kSize), written);
    Put<uint16_t>(queue.used() + 2, static_cast<uint16_t>(index + 1));
  }

  std::vector<uint8_t> ram;
  QTest qtest;
  GuestHeap heap{kBase, 1 << 20};
};

TEST_F(SplitRing, StartsEmptyEachPartOnAPageOfItsOwn) {
  Virtqueue queue(qtest, heap, kSize);
  for (uint64_t part : {queue.descriptors(), queue.available(), queue.used()}) {
    EXPECT_EQ(part % 4096, 0u);
    EXPECT_EQ(At<uint16_t>(part), 0);
    EXPECT_EQ(At<uint16_t>(part + 2), 0);
  }
  EXPECT_FALSE(queue.Take());
}

TEST_F(SplitRing, TheContiguousLayoutIsALegacyDevices) {
  Virtqueue queue(qtest, heap, kSize, Virtqueue::Layout::kContiguous);
  EXPECT_EQ(queue.available(), queue.descriptors() + 16 * kSize);
  // Section 2.7.2: the used ring starts at the next multiple of the alignment.
  EXPECT_EQ(queue.used(), queue.descriptors() + 4096);
}

TEST_F(SplitRing, AChainIsLinkedAndMadeAvailable) {
  Virtqueue queue(qtest, heap, kSize);
  EXPECT_EQ(queue.Add({{0x1000, 16, false}, {0x2000, 512, true}, {0x3000, 1, true}}), 0);
  EXPECT_EQ(DescriptorAt(queue.descriptors(), 0), (Descriptor{0x1000, 16, Virtqueue::kNext, 1}));
  EXPECT_EQ(DescriptorAt(queue.descriptors(), 1),
            (Descriptor{0x2000, 512, Virtqueue::kNext | Virtqueue::kWrite, 2}));
  EXPECT_EQ(DescriptorAt(queue.descriptors(), 2), (Descriptor{0x3000, 1, Virtqueue::kWrite, 0}));
  EXPECT_EQ(At<uint16_t>(queue.available() + 2), 1);
  EXPECT_EQ(At<uint16_t>(queue.available() + 4), 0);
}

TEST_F(SplitRing, DescriptorsAndRingsWrap) {
  Virtqueue queue(qtest, heap, kSize);
  queue.Add({{0x1000, 1, false}, {0x2000, 1, false}, {0x3000, 1, false}});
  const uint16_t head = queue.Add({{0x4000, 1, false}, {0x5000, 1, true}});
  EXPECT_EQ(head, 3);
  EXPECT_EQ(DescriptorAt(queue.descriptors(), 3), (Descriptor{0x4000, 1, Virtqueue::kNext, 0}));
  EXPECT_EQ(DescriptorAt(queue.descriptors(), 0), (Descriptor{0x5000, 1, Virtqueue::kWrite, 0}));
  EXPECT_EQ(At<uint16_t>(queue.available() + 4 + 2), 3);
  for (uint16_t i = 0; i < 3 * kSize; ++i) {
    GiveBack(queue, i, 100u + i);
    const auto used = queue.Take();
    ASSERT_TRUE(used) << i;
    EXPECT_EQ(used->head, i);
    EXPECT_EQ(used->written, 100u + i);
    EXPECT_FALSE(queue.Take()) << i;
  }
}

TEST_F(SplitRing, TheAvailableIndexIsOf16BitsAndCountsOn) {
  Virtqueue queue(qtest, heap, kSize);
  for (int i = 0; i < 65537; ++i) queue.Add({{0x1000, 1, false}});
  EXPECT_EQ(At<uint16_t>(queue.available() + 2), 1);
}

TEST_F(SplitRing, AnIndirectChainIsOneDescriptor) {
  Virtqueue queue(qtest, heap, kSize);
  queue.UseIndirect(heap);
  const std::vector<VirtqueueBuffer> chain(Virtqueue::kMaxIndirect, {0x1000, 8, false});
  EXPECT_EQ(queue.Add(chain), 0);
  const Descriptor head = DescriptorAt(queue.descriptors(), 0);
  EXPECT_EQ(head.flags, Virtqueue::kIndirect);
  EXPECT_EQ(head.length, 16 * Virtqueue::kMaxIndirect);
  EXPECT_EQ(DescriptorAt(head.address, 0), (Descriptor{0x1000, 8, Virtqueue::kNext, 1}));
  EXPECT_EQ(DescriptorAt(head.address, Virtqueue::kMaxIndirect - 1).flags, 0);
  EXPECT_EQ(queue.Add({{0x1000, 8, false}}), 1);
  EXPECT_NE(DescriptorAt(queue.descriptors(), 1).address, head.address);
}

TEST_F(SplitRing, NotificationsAreSuppressedByTheFlag) {
  Virtqueue queue(qtest, heap, kSize);
  queue.Add({{0x1000, 1, false}});
  EXPECT_TRUE(queue.NeedsNotify());
  Put<uint16_t>(queue.used(), 1);
  queue.Add({{0x1000, 1, false}});
  EXPECT_FALSE(queue.NeedsNotify());
}

TEST_F(SplitRing, TheEventIndexSaysWhenToNotify) {
  Virtqueue queue(qtest, heap, kSize);
  queue.UseEventIndex();
  const uint64_t event = queue.used() + 4 + 8ULL * kSize;
  Put<uint16_t>(event, 1);
  queue.Add({{0x1000, 1, false}});
  EXPECT_FALSE(queue.NeedsNotify()) << "it wants to hear of the second";
  queue.Add({{0x1000, 1, false}});
  EXPECT_TRUE(queue.NeedsNotify());
  queue.Add({{0x1000, 1, false}});
  EXPECT_FALSE(queue.NeedsNotify()) << "it has heard of it";
  // The other direction: the device interrupts when it has used the second chain from now on.
  GiveBack(queue, 0, 0);
  queue.Take();
  queue.InterruptAfter(2);
  EXPECT_EQ(At<uint16_t>(queue.available() + 4 + 2ULL * kSize), 2);
}

TEST_F(SplitRing, WhatCannotBeIsRefused) {
  Virtqueue queue(qtest, heap, kSize);
  const auto add = [&](size_t length) {
    queue.Add(std::vector<VirtqueueBuffer>(length, {0x1000, 1, false}));
  };
  EXPECT_TRUE(Throws<std::runtime_error>("no valid length", [&] { add(0); }));
  EXPECT_TRUE(Throws<std::runtime_error>("no valid length", [&] { add(kSize + 1); }));
  EXPECT_TRUE(Throws<std::runtime_error>("gave no buffer back",
                                         [&] { queue.Wait(Deadline(Milliseconds(5))); }));
  GuestHeap small(kBase, 8192);
  EXPECT_TRUE(Throws<std::runtime_error>("heap is used up", [&] { Virtqueue(qtest, small, 256); }));
}

}  // namespace
}  // namespace stx
