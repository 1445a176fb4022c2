// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/virtio/virtio_mmio.h"

#include <stdexcept>

namespace stx {

using enum virtio_mmio::Register;

namespace {

constexpr uint32_t kMagicValue = 0x74726976;  // "virt"
constexpr uint32_t kPage = 4096;

}  // namespace

VirtioMmioDevice::VirtioMmioDevice(QTest& qtest, uint64_t base) : VirtioDevice(qtest), base_(base) {
  if (Read(kMagic) != kMagicValue) throw std::runtime_error("no virtio-mmio transport there");
  version_ = Read(kVersion);
  device_type_ = Read(kDeviceId);
}

std::optional<VirtioMmioDevice> VirtioMmioDevice::FindOnMicrovm(QTest& qtest,
                                                                uint16_t device_type) {
  for (int i = 0; i < kMicrovmCount; ++i) {
    const uint64_t base = kMicrovmBase + kMicrovmStep * static_cast<uint64_t>(i);
    if (qtest.ReadL(base + kMagic) != kMagicValue) continue;
    if (qtest.ReadL(base + kDeviceId) == device_type) return VirtioMmioDevice(qtest, base);
  }
  return std::nullopt;
}

uint8_t VirtioMmioDevice::Status() { return static_cast<uint8_t>(Read(kDeviceStatus)); }
void VirtioMmioDevice::SetStatus(uint8_t status) { Write(kDeviceStatus, status); }

uint64_t VirtioMmioDevice::OfferedFeatures() {
  uint64_t features = 0;
  for (uint32_t half : {0U, 1U}) {
    Write(kDeviceFeaturesSelect, half);
    features |= uint64_t{Read(kDeviceFeatures)} << 32 * half;
  }
  return features;
}

void VirtioMmioDevice::WriteFeatures(uint64_t features) {
  for (uint32_t half : {0U, 1U}) {
    Write(kDriverFeaturesSelect, half);
    Write(kDriverFeatures, static_cast<uint32_t>(features >> 32 * half));
  }
}

uint16_t VirtioMmioDevice::QueueMaxSize(uint16_t index) {
  Write(kQueueSelect, index);
  return static_cast<uint16_t>(Read(kQueueSizeMax));
}

void VirtioMmioDevice::PlaceQueue(uint16_t index, const QueuePlace& place) {
  Write(kQueueSelect, index);
  if (legacy()) {
    Write(kLegacyPageSize, kPage);
    Write(kQueueSize, place.size);
    Write(kLegacyQueueAlign, kPage);
    Write(kLegacyQueuePage, static_cast<uint32_t>(place.descriptors / kPage));
    return;
  }
  Write(kQueueSize, place.size);
  const auto write = [&](uint32_t offset, uint64_t value) {
    Write(offset, static_cast<uint32_t>(value));
    Write(offset + 4, static_cast<uint32_t>(value >> 32));
  };
  write(kQueueDescriptors, place.descriptors);
  write(kQueueDriver, place.driver);
  write(kQueueDevice, place.device);
  Write(kQueueReady, 1);
}

void VirtioMmioDevice::Notify(uint16_t index) { Write(kQueueNotify, index); }

uint8_t VirtioMmioDevice::Isr() {
  const uint32_t status = Read(kInterruptStatus);
  if (status) Write(kInterruptAck, status);
  return static_cast<uint8_t>(status);
}

uint32_t VirtioMmioDevice::ReadConfig(uint32_t offset, int width) {
  const uint64_t at = base_ + kConfig + offset;
  return width == 1 ? qtest().ReadB(at) : width == 2 ? qtest().ReadW(at) : qtest().ReadL(at);
}

}  // namespace stx
