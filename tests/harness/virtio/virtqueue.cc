// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/virtio/virtqueue.h"

#include <cstring>
#include <stdexcept>

#include "base/waiting.h"

namespace stx {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint16_t kNoNotify = 1;  // of the used ring, virtio 1.2 section 2.7.10

uint64_t AlignUp(uint64_t value) { return (value + kPage - 1) / kPage * kPage; }

}  // namespace

DriverQueue::Used DriverQueue::Wait(const Deadline& deadline) {
  constexpr Milliseconds kPause{1};  // devices answer at once
  std::optional<Used> used;
  if (!HoldsBefore(
          deadline, [&] { return (used = Take()).has_value(); }, kPause))
    throw std::runtime_error("the device gave no buffer back in time");
  return *used;
}

Virtqueue::Virtqueue(QTest& qtest, GuestHeap& heap, uint16_t size, Layout layout)
    : qtest_(&qtest), size_(size) {
  const uint64_t descriptors = 16ULL * size, available = 6 + 2ULL * size, used = 6 + 8ULL * size;
  if (layout == Layout::kContiguous) {
    const uint64_t used_offset = AlignUp(descriptors + available);
    descriptors_ = heap.Allocate(used_offset + used, kPage);
    available_ = descriptors_ + descriptors;
    used_ = descriptors_ + used_offset;
  } else {
    descriptors_ = heap.Allocate(descriptors, kPage);
    available_ = heap.Allocate(available, kPage);
    used_ = heap.Allocate(used, kPage);
  }
  qtest.MemSet(descriptors_, descriptors, 0);
  qtest.MemSet(available_, available, 0);
  qtest.MemSet(used_, used, 0);
}

void Virtqueue::UseIndirect(GuestHeap& heap) {
  tables_ = heap.Allocate(16ULL * kMaxIndirect * size_, 16);
}

void Virtqueue::WriteDescriptorAt(uint64_t at, uint64_t address, uint32_t length, uint16_t flags,
                                  uint16_t next) {
  char bytes[16];
  std::memcpy(bytes, &address, 8);
  std::memcpy(bytes + 8, &length, 4);
  std::memcpy(bytes + 12, &flags, 2);
  std::memcpy(bytes + 14, &next, 2);
  qtest_->MemWrite(at, bytes, sizeof(bytes));
}

void Virtqueue::WriteDescriptor(uint16_t index, uint64_t address, uint32_t length, uint16_t flags,
                                uint16_t next) {
  WriteDescriptorAt(descriptors_ + 16ULL * index, address, length, flags, next);
}

void Virtqueue::Offer(uint16_t head, uint16_t step) {
  qtest_->WriteW(available_ + 4 + 2ULL * (available_index_ % size_), head);
  available_index_ = static_cast<uint16_t>(available_index_ + step);
  qtest_->WriteW(available_ + 2, available_index_);
}

uint16_t Virtqueue::Add(const std::vector<VirtqueueBuffer>& chain) {
  if (chain.empty() || chain.size() > (tables_ ? kMaxIndirect : size_))
    throw std::runtime_error("a chain of no valid length");
  const uint16_t head = next_descriptor_;
  const auto flags = [&](size_t i) {
    return static_cast<uint16_t>((i + 1 == chain.size() ? 0 : kNext) |
                                 (chain[i].device_writes ? kWrite : 0));
  };
  const auto step = [&] {
    next_descriptor_ = static_cast<uint16_t>((next_descriptor_ + 1) % size_);
  };
  if (tables_) {
    const uint64_t table = tables_ + 16ULL * kMaxIndirect * head;
    for (size_t i = 0; i < chain.size(); ++i)
      WriteDescriptorAt(table + 16 * i, chain[i].address, chain[i].length, flags(i),
                        static_cast<uint16_t>(i + 1));
    WriteDescriptor(head, table, static_cast<uint32_t>(16 * chain.size()), kIndirect, 0);
    step();
  } else {
    for (size_t i = 0; i < chain.size(); ++i) {
      const uint16_t at = next_descriptor_;
      step();
      WriteDescriptor(at, chain[i].address, chain[i].length, flags(i),
                      i + 1 == chain.size() ? 0 : next_descriptor_);
    }
  }
  Offer(head);
  return head;
}

bool Virtqueue::NeedsNotify() {
  const uint16_t before = notified_index_;
  notified_index_ = available_index_;
  if (!event_index_) return !(qtest_->ReadW(used_) & kNoNotify);
  // vring_need_event of section 2.7.10.2, in 16-bit arithmetic that wraps.
  const uint16_t event = qtest_->ReadW(used_ + 4 + 8ULL * size_);
  return static_cast<uint16_t>(available_index_ - event - 1) <
         static_cast<uint16_t>(available_index_ - before);
}

void Virtqueue::InterruptAfter(uint16_t count) {
  qtest_->WriteW(available_ + 4 + 2ULL * size_, static_cast<uint16_t>(used_index_ + count - 1));
}

std::optional<DriverQueue::Used> Virtqueue::Take() {
  if (qtest_->ReadW(used_ + 2) == used_index_) return std::nullopt;
  const uint64_t at = used_ + 4 + 8ULL * (used_index_++ % size_);
  return Used{static_cast<uint16_t>(qtest_->ReadL(at)), qtest_->ReadL(at + 4)};
}

}  // namespace stx
