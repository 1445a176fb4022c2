// SPDX-License-Identifier: GPL-2.0-or-later
// The driver's side of a virtio device on MMIO (virtio 1.2, section 4.2), as on microvm: the modern
// interface (version 2) and the legacy one (section 4.2.4).
#pragma once

#include <cstdint>
#include <optional>

#include "harness/virtio/virtio_device.h"

namespace stx {

namespace virtio_mmio {
/// Offsets in a transport (section 4.2.2).
enum Register : uint32_t {
  kMagic = 0x00,
  kVersion = 0x04,
  kDeviceId = 0x08,
  kDeviceFeatures = 0x10,
  kDeviceFeaturesSelect = 0x14,
  kDriverFeatures = 0x20,
  kDriverFeaturesSelect = 0x24,
  kLegacyPageSize = 0x28,
  kQueueSelect = 0x30,
  kQueueSizeMax = 0x34,
  kQueueSize = 0x38,
  kLegacyQueueAlign = 0x3c,
  kLegacyQueuePage = 0x40,
  kQueueReady = 0x44,
  kQueueNotify = 0x50,
  kInterruptStatus = 0x60,
  kInterruptAck = 0x64,
  kDeviceStatus = 0x70,
  kQueueDescriptors = 0x80,
  kQueueDriver = 0x90,
  kQueueDevice = 0xa0,
  kGeneration = 0xfc,
  kConfig = 0x100,
};
}  // namespace virtio_mmio

class VirtioMmioDevice final : public VirtioDevice {
 public:
  /// microvm's transports: the address of the first, their distance, and their maximum number.
  static constexpr uint64_t kMicrovmBase = 0xfeb00000, kMicrovmStep = 512;
  static constexpr int kMicrovmCount = 24;

  /// The transport at this guest-physical address. Throws if there is none.
  VirtioMmioDevice(QTest& qtest, uint64_t base);
  /// The first of microvm's devices of this type; unset if there is none.
  static std::optional<VirtioMmioDevice> FindOnMicrovm(QTest& qtest, uint16_t device_type);

  bool legacy() const override { return version_ == 1; }
  uint32_t device_type() const { return device_type_; }
  /// The guest-physical address of the transport.
  uint64_t base() const { return base_; }
  uint64_t OfferedFeatures() override;
  uint8_t Status() override;
  void SetStatus(uint8_t status) override;
  uint16_t QueueMaxSize(uint16_t index) override;
  void PlaceQueue(uint16_t index, const QueuePlace& place) override;
  void Notify(uint16_t index) override;
  /// Reads the interrupt status and acknowledges the bits that are set.
  uint8_t Isr() override;

 private:
  void WriteFeatures(uint64_t features) override;
  uint32_t ReadConfig(uint32_t offset, int width) override;
  uint32_t Read(uint32_t offset) { return qtest().ReadL(base_ + offset); }
  void Write(uint32_t offset, uint32_t value) { qtest().WriteL(base_ + offset, value); }

  uint64_t base_;
  uint32_t version_ = 0, device_type_ = 0;
};

}  // namespace stx
