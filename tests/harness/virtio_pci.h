// A virtio 1.x driver over qtest: the PCI transport (virtio 1.2, 4.1) of one device and its split
// queues (2.7) in guest memory. Interrupts are not used; a test reads the used ring.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "harness/qtest.h"

namespace stx {

/// Guest-physical placement and position of a split queue. Plain data, so that the driver of a
/// migrated guest goes on where it was.
struct SplitQueue {
  uint16_t index = 0;
  uint16_t size = 0;
  /// Descriptor table; the rings follow in the same 16 KiB, see virtio_pci.cc.
  uint64_t address = 0;
  uint32_t notify_offset = 0;
  uint16_t next_avail = 0;
  uint16_t last_used = 0;
};

class VirtioPci {
 public:
  /// The device at bus 0, `slot`, function 0; its BARs are mapped from `mmio` upward.
  VirtioPci(QTest& qtest, unsigned slot, uint64_t mmio);

  /// Resets, negotiates VIRTIO_F_VERSION_1 and `features` (bits 0 to 31); queues come next.
  void Negotiate(uint32_t features);
  /// Sets up queue `index` with `size` entries in the 16 KiB at `address`, and enables it.
  SplitQueue AddQueue(uint16_t index, uint16_t size, uint64_t address);
  void DriverOk();
  uint8_t status();

  /// Offers one buffer: for the device to write if `writable`, else to read. `descriptor` is free.
  void Offer(SplitQueue& queue, uint16_t descriptor, uint64_t address, uint32_t length,
             bool writable);
  void Notify(const SplitQueue& queue);
  /// The device's used index: what it has given back so far.
  uint16_t UsedIndex(const SplitQueue& queue);
  /// Takes what came back since the last call: the lengths that the device wrote.
  std::vector<uint32_t> TakeUsed(SplitQueue& queue);

  /// Goes on with the same device in another QEMU, to which the guest was migrated.
  void MoveTo(QTest& qtest) { qtest_ = &qtest; }

 private:
  uint32_t ConfigRead(unsigned offset);
  void ConfigWrite(unsigned offset, uint32_t value);

  QTest* qtest_;
  unsigned slot_;
  uint64_t common_ = 0, notify_ = 0;
  uint32_t notify_multiplier_ = 0;
};

}  // namespace stx
