// SPDX-License-Identifier: GPL-2.0-or-later
// The driver's side of a modern virtio device on PCI (virtio 1.2, section 4.1), through qtest.
#pragma once

#include <cstdint>
#include <vector>

#include "harness/qemu/pci.h"
#include "harness/virtio/virtio_device.h"

namespace stx {

namespace virtio {
inline constexpr uint16_t kPciVendor = 0x1af4;
/// With disable-legacy=on, transitional devices too have the id 0x1040 + device type.
constexpr uint16_t PciId(uint16_t device_type) {
  return static_cast<uint16_t>(0x1040 + device_type);
}
/// No MSI-X vector.
inline constexpr uint16_t kNoVector = 0xffff;
}  // namespace virtio

namespace virtio_pci {
/// Offsets in struct virtio_pci_common_cfg (section 4.1.4.3).
enum Common : uint32_t {
  kDeviceFeatureSelect = 0,
  kDeviceFeature = 4,
  kDriverFeatureSelect = 8,
  kDriverFeature = 12,
  kConfigVector = 16,
  kNumQueues = 18,
  kDeviceStatus = 20,
  kGeneration = 21,
  kQueueSelect = 22,
  kQueueSize = 24,
  kQueueVector = 26,
  kQueueEnable = 28,
  kQueueNotifyOff = 30,
  kQueueDesc = 32,
  kQueueDriver = 40,
  kQueueDevice = 48,
  kQueueReset = 58,
};
}  // namespace virtio_pci

class VirtioPciDevice final : public VirtioDevice {
 public:
  /// Places the BARs and finds the device's structures. Throws if one of them is missing.
  VirtioPciDevice(PciBus& bus, const PciDevice& device);

  uint64_t OfferedFeatures() override;
  uint8_t Status() override;
  void SetStatus(uint8_t status) override;
  uint16_t QueueCount();
  uint16_t QueueMaxSize(uint16_t index) override;
  void PlaceQueue(uint16_t index, const QueuePlace& place) override;
  void Notify(uint16_t index) override;
  uint8_t Isr() override;

  /// Assign an MSI-X vector (msix.h) to a queue, or to configuration changes. They return the
  /// vector that the device reports, virtio::kNoVector if it refused.
  uint16_t SetQueueVector(uint16_t index, uint16_t vector);
  uint16_t SetConfigVector(uint16_t vector);

  const PciDevice& pci() const { return pci_; }
  /// The base of each BAR, as returned by PciBus::Enable.
  const std::vector<uint64_t>& bars() const { return bars_; }
  /// The guest-physical address of the common configuration (section 4.1.4.3).
  uint64_t common() const { return common_; }
  /// The guest-physical address of the device-specific configuration (section 4.1.4.6); 0 if the
  /// device has none.
  uint64_t device_config() const { return device_config_; }

 private:
  void WriteFeatures(uint64_t features) override;
  uint32_t ReadConfig(uint32_t offset, int width) override;

  PciDevice pci_;
  std::vector<uint64_t> bars_;
  // Guest-physical addresses of the structures; 0 if the device does not have the structure.
  uint64_t common_ = 0, notify_ = 0, isr_ = 0, device_config_ = 0;
  uint32_t notify_multiplier_ = 0;
};

}  // namespace stx
