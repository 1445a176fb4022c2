// The driver's side of a modern virtio device on PCI (virtio 1.2, section 4.1), by qtest.
#pragma once

#include <cstdint>
#include <vector>

#include "harness/guest_heap.h"
#include "harness/pci.h"
#include "harness/virtqueue.h"

namespace stx {

namespace virtio {
inline constexpr uint16_t kPciVendor = 0x1af4;
/// Device status bits (virtio 1.2, section 2.1).
inline constexpr uint8_t kAcknowledge = 1, kDriver = 2, kDriverOk = 4, kFeaturesOk = 8,
                         kNeedsReset = 64;
inline constexpr int kFeatureVersion1 = 32;
constexpr uint64_t Bit(int feature) { return 1ULL << feature; }
/// Transitional devices are found with disable-legacy=on as 0x1040 + the device type.
constexpr uint16_t PciId(uint16_t device_type) {
  return static_cast<uint16_t>(0x1040 + device_type);
}
}  // namespace virtio

class VirtioPciDevice {
 public:
  /// Places the BARs and finds the device's structures. Throws when one of them is missing.
  VirtioPciDevice(PciBus& bus, const PciDevice& device);

  /// Reset (virtio 1.2, section 2.4): returns once the device says that it is done.
  void Reset();
  /// Reset, ACKNOWLEDGE, DRIVER, and `wanted` of what the device offers, always with VERSION_1, up
  /// to FEATURES_OK. Returns what was agreed on; throws when the device does not accept it.
  uint64_t Negotiate(uint64_t wanted);
  uint64_t OfferedFeatures();
  void SetDriverOk() { SetStatus(Status() | virtio::kDriverOk); }
  uint8_t Status();
  void SetStatus(uint8_t status);

  uint16_t QueueCount();
  /// The most descriptors that the queue may have; 0 when there is no such queue.
  uint16_t QueueMaxSize(uint16_t index);
  /// Allocates, announces and enables queue `index`, without an interrupt vector. `size` 0 takes
  /// the device's own.
  Virtqueue SetUpQueue(uint16_t index, GuestHeap& heap, uint16_t size = 0);
  void Notify(uint16_t index);
  /// Reads and so clears the ISR status: bit 0 a queue, bit 1 the configuration.
  uint8_t Isr();

  uint8_t ConfigB(uint32_t offset) { return qtest_.ReadB(device_config_ + offset); }
  uint16_t ConfigW(uint32_t offset) { return qtest_.ReadW(device_config_ + offset); }
  uint32_t ConfigL(uint32_t offset) { return qtest_.ReadL(device_config_ + offset); }
  uint64_t ConfigQ(uint32_t offset) { return qtest_.ReadQ(device_config_ + offset); }

  const PciDevice& pci() const { return pci_; }

 private:
  QTest& qtest_;
  PciDevice pci_;
  std::vector<uint64_t> bars_;
  // Guest-physical addresses of the structures; 0: the device has none.
  uint64_t common_ = 0, notify_ = 0, isr_ = 0, device_config_ = 0;
  uint32_t notify_multiplier_ = 0;
};

}  // namespace stx
