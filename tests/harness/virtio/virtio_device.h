// SPDX-License-Identifier: GPL-2.0-or-later
// The driver's side of a virtio device (virtio 1.2, chapters 2 and 3) on any transport:
// virtio_pci.h (modern), virtio_pci_legacy.h, virtio_mmio.h (both).
#pragma once

#include <cstdint>

#include "harness/qemu/guest_heap.h"
#include "harness/qemu/qtest.h"
#include "harness/virtio/packed_virtqueue.h"
#include "harness/virtio/virtqueue.h"

namespace stx {

namespace virtio {
/// Device status bits (section 2.1).
inline constexpr uint8_t kAcknowledge = 1, kDriver = 2, kDriverOk = 4, kFeaturesOk = 8,
                         kNeedsReset = 64;
/// Feature bits (chapter 6).
inline constexpr int kFeatureIndirect = 28, kFeatureEventIndex = 29, kFeatureVersion1 = 32,
                     kFeatureRingPacked = 34;
constexpr uint64_t Bit(int feature) { return 1ULL << feature; }
}  // namespace virtio

class VirtioDevice {
 public:
  explicit VirtioDevice(QTest& qtest) : qtest_(&qtest) {}
  virtual ~VirtioDevice() = default;
  VirtioDevice(const VirtioDevice&) = default;
  VirtioDevice& operator=(const VirtioDevice&) = default;

  QTest& qtest() const { return *qtest_; }
  /// A legacy device has no VERSION_1 and no FEATURES_OK, and its ring is contiguous.
  virtual bool legacy() const { return false; }

  /// Resets the device (section 2.4); returns once the device reports that it is done.
  void Reset();
  /// Performs reset, ACKNOWLEDGE, DRIVER and FEATURES_OK. Accepts those features in `wanted` that
  /// the device offers, and VERSION_1 unless the device is legacy. Returns the negotiated features;
  /// throws if the device does not accept them.
  uint64_t Negotiate(uint64_t wanted);
  virtual uint64_t OfferedFeatures() = 0;
  void SetDriverOk() { SetStatus(static_cast<uint8_t>(Status() | virtio::kDriverOk)); }
  virtual uint8_t Status() = 0;
  virtual void SetStatus(uint8_t status) = 0;

  /// The maximum number of descriptors of the queue; 0 if the queue does not exist.
  virtual uint16_t QueueMaxSize(uint16_t index) = 0;
  /// Allocates queue `index`, tells the device where it is, and enables it, without an interrupt
  /// vector. A `size` of 0 means the maximum of the device.
  Virtqueue SetUpQueue(uint16_t index, GuestHeap& heap, uint16_t size = 0);
  /// The same, after RING_PACKED was negotiated.
  PackedVirtqueue SetUpPackedQueue(uint16_t index, GuestHeap& heap, uint16_t size = 0);
  /// Where the driver claims that a ring is. Any addresses are possible, for drivers that lie.
  struct QueuePlace {
    uint16_t size;
    uint64_t descriptors, driver, device;
  };
  virtual void PlaceQueue(uint16_t index, const QueuePlace& place) = 0;
  virtual void Notify(uint16_t index) = 0;
  /// Reads and thereby clears the ISR status: bit 0 is a queue, bit 1 the configuration.
  virtual uint8_t Isr() = 0;

  uint8_t ConfigB(uint32_t offset) { return static_cast<uint8_t>(ReadConfig(offset, 1)); }
  uint16_t ConfigW(uint32_t offset) { return static_cast<uint16_t>(ReadConfig(offset, 2)); }
  uint32_t ConfigL(uint32_t offset) { return static_cast<uint32_t>(ReadConfig(offset, 4)); }
  uint64_t ConfigQ(uint32_t offset) {
    return ConfigL(offset) | uint64_t{ConfigL(offset + 4)} << 32;
  }

 protected:
  virtual void WriteFeatures(uint64_t features) = 0;
  /// Reads `width` (1, 2 or 4) bytes of the device's configuration space.
  virtual uint32_t ReadConfig(uint32_t offset, int width) = 0;

 private:
  uint16_t SizeOf(uint16_t index, uint16_t wanted);

  QTest* qtest_;
};

}  // namespace stx
