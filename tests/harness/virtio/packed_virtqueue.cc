// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/virtio/packed_virtqueue.h"

#include <stdexcept>

namespace stx {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint16_t kNext = 1, kWrite = 2, kAvailable = 1 << 7, kUsed = 1 << 15;  // section 2.8.1
constexpr uint16_t kDisable = 1;  // of an event suppression structure, section 2.8.10

}  // namespace

PackedVirtqueue::PackedVirtqueue(QTest& qtest, GuestHeap& heap, uint16_t size)
    : qtest_(&qtest),
      size_(size),
      ring_(heap.Allocate(16ULL * size, kPage)),
      driver_events_(heap.Allocate(4, kPage)),
      device_events_(heap.Allocate(4, kPage)) {
  qtest.MemSet(ring_, 16ULL * size, 0);
  qtest.MemSet(driver_events_, 4, 0);
  qtest.MemSet(device_events_, 4, 0);
}

uint16_t PackedVirtqueue::Add(const std::vector<VirtqueueBuffer>& chain) {
  if (chain.empty() || chain.size() > size_) throw std::runtime_error("a chain of no valid length");
  const uint16_t id = next_;
  if (in_flight_.contains(id)) throw std::runtime_error("the packed ring is full");
  const uint64_t first = ring_ + 16ULL * next_;
  uint16_t first_flags = 0;
  for (size_t i = 0; i < chain.size(); ++i) {
    const uint64_t at = ring_ + 16ULL * next_;
    const auto flags =
        static_cast<uint16_t>((i + 1 == chain.size() ? 0 : kNext) |
                              (chain[i].device_writes ? kWrite : 0) | (wrap_ ? kAvailable : kUsed));
    qtest_->WriteQ(at, chain[i].address);
    qtest_->WriteL(at + 8, chain[i].length);
    qtest_->WriteW(at + 12, id);
    // The flags of the first descriptor make the whole chain available, so they are written last.
    if (at == first)
      first_flags = flags;
    else
      qtest_->WriteW(at + 14, flags);
    if (++next_ == size_) {
      next_ = 0;
      wrap_ = !wrap_;
    }
  }
  qtest_->WriteW(first + 14, first_flags);
  in_flight_[id] = static_cast<uint16_t>(chain.size());
  return id;
}

bool PackedVirtqueue::NeedsNotify() { return qtest_->ReadW(device_events_ + 2) != kDisable; }

std::optional<DriverQueue::Used> PackedVirtqueue::Take() {
  const uint64_t at = ring_ + 16ULL * next_used_;
  const uint16_t flags = qtest_->ReadW(at + 14);
  const bool available = flags & kAvailable, used = flags & kUsed;
  if (available != used || used != used_wrap_) return std::nullopt;
  const Used taken{qtest_->ReadW(at + 12), qtest_->ReadL(at + 8)};
  const auto chain = in_flight_.find(taken.head);
  if (chain == in_flight_.end())
    throw std::runtime_error("the device gave a buffer back that it did not have: " +
                             std::to_string(taken.head));
  next_used_ = static_cast<uint16_t>(next_used_ + chain->second);
  if (next_used_ >= size_) {
    next_used_ = static_cast<uint16_t>(next_used_ - size_);
    used_wrap_ = !used_wrap_;
  }
  in_flight_.erase(chain);
  return taken;
}

}  // namespace stx
