// The driver's side of a split virtqueue (virtio 1.2, section 2.7), in guest memory by qtest.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "harness/guest_heap.h"
#include "harness/os.h"
#include "harness/qtest.h"

namespace stx {

/// One buffer of a descriptor chain: guest-physical, bytes.
struct VirtqueueBuffer {
  uint64_t address;
  uint32_t length;
  bool device_writes;
};

class Virtqueue {
 public:
  /// Puts empty rings for `size` (a power of two) descriptors on the heap; each part on a page of
  /// its own, so that their addresses differ in more than an offset.
  Virtqueue(QTest& qtest, GuestHeap& heap, uint16_t size);

  uint16_t size() const { return size_; }
  uint64_t descriptors() const { return descriptors_; }
  uint64_t available() const { return available_; }
  uint64_t used() const { return used_; }

  /// Makes a chain available; returns its head. Descriptors are taken round robin: at most `size`
  /// may be in flight. Does not notify the device.
  uint16_t Add(const std::vector<VirtqueueBuffer>& chain);

  struct Used {
    uint16_t head;
    uint32_t written;
  };
  /// The next chain that the device gave back, if any.
  std::optional<Used> Take();
  /// Waits for it; throws when it did not come before the deadline.
  Used Wait(const Deadline& deadline);

  /// Goes on in another QEMU, to which the guest was migrated.
  void MoveTo(QTest& qtest) { qtest_ = &qtest; }

 private:
  QTest* qtest_;
  uint16_t size_;
  uint64_t descriptors_, available_, used_;
  uint16_t next_descriptor_ = 0, available_index_ = 0, used_index_ = 0;
};

}  // namespace stx
