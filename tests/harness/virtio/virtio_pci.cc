// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/virtio/virtio_pci.h"

#include <stdexcept>

namespace stx {

using enum virtio_pci::Common;

VirtioPciDevice::VirtioPciDevice(PciBus& bus, const PciDevice& device)
    : VirtioDevice(device.qtest()), pci_(device), bars_(bus.Enable(device)) {
  // struct virtio_pci_cap, section 4.1.4: type at 3, BAR at 4, offset at 8, length at 12.
  for (uint8_t cap : pci_.FindCapabilities(pci::kCapabilityVendor)) {
    const uint8_t bar = pci_.ReadB(static_cast<uint8_t>(cap + 4));
    if (bar >= bars_.size()) continue;
    const uint64_t at = bars_[bar] + pci_.ReadL(static_cast<uint8_t>(cap + 8));
    switch (pci_.ReadB(static_cast<uint8_t>(cap + 3))) {
      case 1:
        common_ = at;
        break;
      case 2:
        notify_ = at;
        notify_multiplier_ = pci_.ReadL(static_cast<uint8_t>(cap + 16));
        break;
      case 3:
        isr_ = at;
        break;
      case 4:
        device_config_ = at;
        break;
    }
  }
  if (!common_ || !notify_ || !isr_)
    throw std::runtime_error("no modern virtio device in PCI slot " + std::to_string(pci_.slot()));
}

uint8_t VirtioPciDevice::Status() { return qtest().ReadB(common_ + kDeviceStatus); }
void VirtioPciDevice::SetStatus(uint8_t status) { qtest().WriteB(common_ + kDeviceStatus, status); }

uint64_t VirtioPciDevice::OfferedFeatures() {
  uint64_t features = 0;
  for (uint32_t half : {0U, 1U}) {
    qtest().WriteL(common_ + kDeviceFeatureSelect, half);
    features |= uint64_t{qtest().ReadL(common_ + kDeviceFeature)} << 32 * half;
  }
  return features;
}

void VirtioPciDevice::WriteFeatures(uint64_t features) {
  for (uint32_t half : {0U, 1U}) {
    qtest().WriteL(common_ + kDriverFeatureSelect, half);
    qtest().WriteL(common_ + kDriverFeature, static_cast<uint32_t>(features >> 32 * half));
  }
}

uint16_t VirtioPciDevice::QueueCount() { return qtest().ReadW(common_ + kNumQueues); }

uint16_t VirtioPciDevice::QueueMaxSize(uint16_t index) {
  qtest().WriteW(common_ + kQueueSelect, index);
  return qtest().ReadW(common_ + kQueueSize);
}

void VirtioPciDevice::PlaceQueue(uint16_t index, const QueuePlace& place) {
  qtest().WriteW(common_ + kQueueSelect, index);
  qtest().WriteW(common_ + kQueueSize, place.size);
  qtest().WriteW(common_ + kQueueVector, virtio::kNoVector);
  // 64-bit fields are written in halves (section 4.1.3.1).
  const auto write = [&](uint32_t offset, uint64_t value) {
    qtest().WriteL(common_ + offset, static_cast<uint32_t>(value));
    qtest().WriteL(common_ + offset + 4, static_cast<uint32_t>(value >> 32));
  };
  write(kQueueDesc, place.descriptors);
  write(kQueueDriver, place.driver);
  write(kQueueDevice, place.device);
  qtest().WriteW(common_ + kQueueEnable, 1);
}

void VirtioPciDevice::Notify(uint16_t index) {
  qtest().WriteW(common_ + kQueueSelect, index);
  const uint64_t offset = qtest().ReadW(common_ + kQueueNotifyOff);
  qtest().WriteW(notify_ + offset * notify_multiplier_, index);
}

uint8_t VirtioPciDevice::Isr() { return qtest().ReadB(isr_); }

uint16_t VirtioPciDevice::SetQueueVector(uint16_t index, uint16_t vector) {
  qtest().WriteW(common_ + kQueueSelect, index);
  qtest().WriteW(common_ + kQueueVector, vector);
  return qtest().ReadW(common_ + kQueueVector);
}

uint16_t VirtioPciDevice::SetConfigVector(uint16_t vector) {
  qtest().WriteW(common_ + kConfigVector, vector);
  return qtest().ReadW(common_ + kConfigVector);
}

uint32_t VirtioPciDevice::ReadConfig(uint32_t offset, int width) {
  const uint64_t at = device_config_ + offset;
  return width == 1 ? qtest().ReadB(at) : width == 2 ? qtest().ReadW(at) : qtest().ReadL(at);
}

}  // namespace stx
