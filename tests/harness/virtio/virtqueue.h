// SPDX-License-Identifier: GPL-2.0-or-later
// The driver's side of a virtqueue, in guest memory by qtest: the split ring (virtio 1.2, section
// 2.7) here, the packed one in packed_virtqueue.h.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/os.h"
#include "harness/qemu/guest_heap.h"
#include "harness/qemu/qtest.h"

namespace stx {

/// One buffer of a descriptor chain: guest-physical, bytes.
struct VirtqueueBuffer {
  uint64_t address;
  uint32_t length;
  bool device_writes;
};

/// What tests of a device need of its queues, whatever their ring's format.
class DriverQueue {
 public:
  struct Used {
    uint16_t head;  ///< what Add returned
    uint32_t written;
  };

  virtual ~DriverQueue() = default;
  virtual uint16_t size() const = 0;
  /// Makes a chain available; returns its name. Descriptors are taken round robin: at most size()
  /// may be in flight. Does not notify the device.
  virtual uint16_t Add(const std::vector<VirtqueueBuffer>& chain) = 0;
  /// Whether the device asked to be notified of what was added since this was last called.
  virtual bool NeedsNotify() = 0;
  /// The next chain that the device gave back, if any.
  virtual std::optional<Used> Take() = 0;
  /// Waits for it; throws when it did not come before the deadline.
  Used Wait(const Deadline& deadline);
};

class Virtqueue final : public DriverQueue {
 public:
  enum class Layout {
    kApart,       ///< each part on a page of its own, so that addresses differ in more than an
                  ///< offset
    kContiguous,  ///< as a legacy device computes them from one address (section 2.7.2)
  };
  /// Longest chain with UseIndirect.
  static constexpr size_t kMaxIndirect = 16;

  /// Puts empty rings for `size` (a power of two) descriptors on the heap.
  Virtqueue(QTest& qtest, GuestHeap& heap, uint16_t size, Layout layout = Layout::kApart);

  uint16_t size() const override { return size_; }
  uint64_t descriptors() const { return descriptors_; }
  uint64_t available() const { return available_; }
  uint64_t used() const { return used_; }

  /// From now on a chain is one descriptor that refers to a table (section 2.7.5.3). After
  /// VIRTIO_F_INDIRECT_DESC was agreed on.
  void UseIndirect(GuestHeap& heap);
  /// From now on NeedsNotify reads avail_event (section 2.7.10). After VIRTIO_F_EVENT_IDX.
  void UseEventIndex() { event_index_ = true; }
  /// Asks for no interrupt before the device has used `count` more chains (used_event, 2.7.7).
  void InterruptAfter(uint16_t count);

  uint16_t Add(const std::vector<VirtqueueBuffer>& chain) override;
  bool NeedsNotify() override;
  std::optional<Used> Take() override;

  /// For rings that no driver would make. Both leave the queue's own count of descriptors alone.
  void WriteDescriptor(uint16_t index, uint64_t address, uint32_t length, uint16_t flags,
                       uint16_t next);
  /// Puts `head` into the available ring and moves its index on by `step`.
  void Offer(uint16_t head, uint16_t step = 1);

  /// Goes on in another QEMU, to which the guest was migrated.
  void MoveTo(QTest& qtest) { qtest_ = &qtest; }

  /// Flags of a descriptor (section 2.7.5).
  static constexpr uint16_t kNext = 1, kWrite = 2, kIndirect = 4;

 private:
  void WriteDescriptorAt(uint64_t at, uint64_t address, uint32_t length, uint16_t flags,
                         uint16_t next);

  QTest* qtest_;
  uint16_t size_;
  uint64_t descriptors_ = 0, available_ = 0, used_ = 0;
  uint64_t tables_ = 0;  // of size_ indirect tables; 0: direct
  bool event_index_ = false;
  uint16_t next_descriptor_ = 0, available_index_ = 0, used_index_ = 0, notified_index_ = 0;
};

}  // namespace stx
