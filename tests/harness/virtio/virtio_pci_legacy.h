// SPDX-License-Identifier: GPL-2.0-or-later
// The driver's side of a transitional virtio device through its legacy interface (virtio 1.2,
// section 4.1.4.10): I/O ports, one contiguous ring per queue, no VERSION_1.
#pragma once

#include <cstdint>
#include <vector>

#include "harness/qemu/pci.h"
#include "harness/virtio/virtio_device.h"

namespace stx {

namespace virtio {
/// The PCI device id of a transitional device (section 4.1.2.1), by device type; 0 for types that
/// have none.
constexpr uint16_t TransitionalPciId(uint16_t device_type) {
  switch (device_type) {
    case 1:
      return 0x1000;  // network
    case 2:
      return 0x1001;  // block
    case 3:
      return 0x1003;  // console
    case 4:
      return 0x1005;  // entropy
    case 8:
      return 0x1004;  // SCSI host
    case 9:
      return 0x1009;  // 9P
    default:
      return 0;
  }
}
}  // namespace virtio

class VirtioPciLegacyDevice final : public VirtioDevice {
 public:
  /// Places the BARs. Throws if BAR 0 is not in I/O space, which means that the device has
  /// disable-legacy=on.
  VirtioPciLegacyDevice(PciBus& bus, const PciDevice& device);

  bool legacy() const override { return true; }
  uint64_t OfferedFeatures() override;
  uint8_t Status() override;
  void SetStatus(uint8_t status) override;
  uint16_t QueueMaxSize(uint16_t index) override;
  /// The device determines the size. Throws if place.size differs from it.
  void PlaceQueue(uint16_t index, const QueuePlace& place) override;
  void Notify(uint16_t index) override;
  uint8_t Isr() override;

  const PciDevice& pci() const { return pci_; }

 private:
  void WriteFeatures(uint64_t features) override;
  uint32_t ReadConfig(uint32_t offset, int width) override;
  uint16_t Port(uint32_t offset) const { return static_cast<uint16_t>(base_ + offset); }

  PciDevice pci_;
  std::vector<uint64_t> bars_;
  uint32_t base_;
};

}  // namespace stx
