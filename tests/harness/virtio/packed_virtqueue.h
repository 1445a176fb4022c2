// SPDX-License-Identifier: GPL-2.0-or-later
// The driver's side of a packed virtqueue (virtio 1.2, section 2.8), placed in guest memory through
// qtest.
#pragma once

#include <cstdint>
#include <map>

#include "harness/virtio/virtqueue.h"

namespace stx {

class PackedVirtqueue final : public DriverQueue {
 public:
  /// Allocates an empty ring of `size` descriptors. Event suppression is not used: both sides are
  /// notified of everything.
  PackedVirtqueue(QTest& qtest, GuestHeap& heap, uint16_t size);

  uint16_t size() const override { return size_; }
  /// The addresses of the parts, under the names of section 2.8.
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
  std::map<uint16_t, uint16_t> in_flight_;  // buffer id -> number of descriptors in its chain
};

}  // namespace stx
