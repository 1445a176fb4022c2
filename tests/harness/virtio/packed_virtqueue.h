// SPDX-License-Identifier: GPL-2.0-or-later
// The driver's side of a packed virtqueue (virtio 1.2, section 2.8), in guest memory by qtest.
#pragma once

#include <cstdint>
#include <map>

#include "harness/virtio/virtqueue.h"

namespace stx {

class PackedVirtqueue final : public DriverQueue {
 public:
  /// Puts an empty ring for `size` descriptors on the heap. No event suppression: both sides hear
  /// of everything.
  PackedVirtqueue(QTest& qtest, GuestHeap& heap, uint16_t size);

  uint16_t size() const override { return size_; }
  /// The parts' addresses, by the names that section 2.8 gives them.
  uint64_t descriptor_ring() const { return ring_; }
  uint64_t driver_events() const { return driver_events_; }
  uint64_t device_events() const { return device_events_; }

  uint16_t Add(const std::vector<VirtqueueBuffer>& chain) override;
  bool NeedsNotify() override;
  std::optional<Used> Take() override;

 private:
  QTest* qtest_;
  uint16_t size_;
  uint64_t ring_, driver_events_, device_events_;
  uint16_t next_ = 0, next_used_ = 0;
  bool wrap_ = true, used_wrap_ = true;
  std::map<uint16_t, uint16_t> in_flight_;  // buffer id -> descriptors of its chain
};

}  // namespace stx
