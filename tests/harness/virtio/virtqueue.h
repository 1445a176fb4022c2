// SPDX-License-Identifier: GPL-2.0-or-later
// The driver's side of a virtqueue, placed in guest memory through qtest: the split ring (virtio
// 1.2, section 2.7). packed_virtqueue.h has the packed one.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/os.h"
#include "harness/qemu/guest_heap.h"
#include "harness/qemu/qtest.h"

namespace stx {

/// One buffer of a descriptor chain: a guest-physical address and a length in bytes.
struct VirtqueueBuffer {
  uint64_t address;
  uint32_t length;
  bool device_writes;
};

/// What device tests need of a queue, independent of the ring format.
class DriverQueue {
 public:
  struct Used {
    uint16_t head;  ///< what Add returned
    uint32_t written;
  };

  virtual ~DriverQueue() = default;
  virtual uint16_t size() const = 0;
  /// Makes a chain available and returns its head. Descriptors are taken round robin, so at most
  /// size() of them may be in flight. Does not notify the device.
  virtual uint16_t Add(const std::vector<VirtqueueBuffer>& chain) = 0;
  /// Whether the device wants to be notified of what was added since the last call.
  virtual bool NeedsNotify() = 0;
  /// The next chain that the device returned, if any.
  virtual std::optional<Used> Take() = 0;
  /// Waits for that chain. Throws at the deadline.
  Used Wait(const Deadline& deadline);
};

class Virtqueue final : public DriverQueue {
 public:
  enum class Layout {
    kApart,       ///< each part on its own page, so that the addresses differ in more than an
                  ///< offset
    kContiguous,  ///< as a legacy device computes the addresses from one address (section 2.7.2)
  };
  /// The longest chain that UseIndirect supports.
  static constexpr size_t kMaxIndirect = 16;

  /// Allocates empty rings of `size` (a power of two) descriptors.
  Virtqueue(QTest& qtest, GuestHeap& heap, uint16_t size, Layout layout = Layout::kApart);

  uint16_t size() const override { return size_; }
  uint64_t descriptors() const { return descriptors_; }
  uint64_t available() const { return available_; }
  uint64_t used() const { return used_; }

  /// From now on, each chain is one descriptor that refers to a table (section 2.7.5.3). Requires
  /// VIRTIO_F_INDIRECT_DESC.
  void UseIndirect(GuestHeap& heap);
  /// From now on, NeedsNotify reads avail_event (section 2.7.10). Requires VIRTIO_F_EVENT_IDX.
  void UseEventIndex() { event_index_ = true; }
  /// Asks the device not to interrupt before it has used `count` more chains (used_event, 2.7.7).
  void InterruptAfter(uint16_t count);

  uint16_t Add(const std::vector<VirtqueueBuffer>& chain) override;
  bool NeedsNotify() override;
  std::optional<Used> Take() override;

  /// For malformed rings. These two do not change the queue's own count of descriptors.
  void WriteDescriptor(uint16_t index, uint64_t address, uint32_t length, uint16_t flags,
                       uint16_t next);
  /// Puts `head` into the available ring and advances its index by `step`.
  void Offer(uint16_t head, uint16_t step = 1);

  /// Continues in another QEMU, to which the guest was migrated.
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
