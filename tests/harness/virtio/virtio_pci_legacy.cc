// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/virtio/virtio_pci_legacy.h"

#include <stdexcept>

namespace stx {
namespace {

/// Offsets in BAR 0. The device's configuration follows directly if MSI-X is off, as it is here.
enum Register : uint32_t {
  kDeviceFeatures = 0,
  kDriverFeatures = 4,
  kQueueAddress = 8,
  kQueueSize = 12,
  kQueueSelect = 14,
  kQueueNotify = 16,
  kDeviceStatus = 18,
  kIsr = 19,
  kConfig = 20,
};

constexpr uint64_t kPage = 4096;

}  // namespace

VirtioPciLegacyDevice::VirtioPciLegacyDevice(PciBus& bus, const PciDevice& device)
    : VirtioDevice(device.qtest()),
      pci_(device),
      bars_(bus.Enable(device)),
      base_(static_cast<uint32_t>(bars_[0])) {
  if (!base_ || !(pci_.ReadL(pci::kBar0) & 1))
    throw std::runtime_error("no legacy virtio device in PCI slot " + std::to_string(pci_.slot()));
}

uint8_t VirtioPciLegacyDevice::Status() { return qtest().InB(Port(kDeviceStatus)); }
void VirtioPciLegacyDevice::SetStatus(uint8_t status) { qtest().OutB(Port(kDeviceStatus), status); }

uint64_t VirtioPciLegacyDevice::OfferedFeatures() { return qtest().InL(Port(kDeviceFeatures)); }
void VirtioPciLegacyDevice::WriteFeatures(uint64_t features) {
  qtest().OutL(Port(kDriverFeatures), static_cast<uint32_t>(features));
}

uint16_t VirtioPciLegacyDevice::QueueMaxSize(uint16_t index) {
  qtest().OutW(Port(kQueueSelect), index);
  return qtest().InW(Port(kQueueSize));
}

void VirtioPciLegacyDevice::PlaceQueue(uint16_t index, const QueuePlace& place) {
  if (place.size != QueueMaxSize(index))
    throw std::runtime_error("a legacy device's queue has the device's size");
  qtest().OutL(Port(kQueueAddress), static_cast<uint32_t>(place.descriptors / kPage));
}

void VirtioPciLegacyDevice::Notify(uint16_t index) { qtest().OutW(Port(kQueueNotify), index); }
uint8_t VirtioPciLegacyDevice::Isr() { return qtest().InB(Port(kIsr)); }

uint32_t VirtioPciLegacyDevice::ReadConfig(uint32_t offset, int width) {
  const uint16_t port = Port(kConfig + offset);
  return width == 1 ? qtest().InB(port) : width == 2 ? qtest().InW(port) : qtest().InL(port);
}

}  // namespace stx
