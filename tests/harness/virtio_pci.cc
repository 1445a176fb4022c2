#include "harness/virtio_pci.h"

#include <stdexcept>

namespace stx {
namespace {

/// struct virtio_pci_common_cfg, virtio 1.2 section 4.1.4.3.
enum Common : uint32_t {
  kDeviceFeatureSelect = 0,
  kDeviceFeature = 4,
  kDriverFeatureSelect = 8,
  kDriverFeature = 12,
  kMsixVector = 16,
  kNumQueues = 18,
  kDeviceStatus = 20,
  kQueueSelect = 22,
  kQueueSize = 24,
  kQueueMsixVector = 26,
  kQueueEnable = 28,
  kQueueNotifyOff = 30,
  kQueueDescriptors = 32,
  kQueueDriver = 40,
  kQueueDevice = 48,
};

constexpr uint16_t kNoVector = 0xffff;

}  // namespace

VirtioPciDevice::VirtioPciDevice(PciBus& bus, const PciDevice& device)
    : qtest_(device.qtest()), pci_(device), bars_(bus.Enable(device)) {
  // struct virtio_pci_cap, section 4.1.4: type at 3, BAR at 4, offset at 8, length at 12.
  for (uint8_t cap : pci_.Capabilities(pci::kCapabilityVendor)) {
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

uint8_t VirtioPciDevice::Status() { return qtest_.ReadB(common_ + kDeviceStatus); }
void VirtioPciDevice::SetStatus(uint8_t status) { qtest_.WriteB(common_ + kDeviceStatus, status); }

void VirtioPciDevice::Reset() {
  SetStatus(0);
  if (Status() != 0) throw std::runtime_error("the virtio device does not finish its reset");
}

uint64_t VirtioPciDevice::OfferedFeatures() {
  uint64_t features = 0;
  for (uint32_t half : {0U, 1U}) {
    qtest_.WriteL(common_ + kDeviceFeatureSelect, half);
    features |= uint64_t{qtest_.ReadL(common_ + kDeviceFeature)} << 32 * half;
  }
  return features;
}

uint64_t VirtioPciDevice::Negotiate(uint64_t wanted) {
  Reset();
  SetStatus(virtio::kAcknowledge);
  SetStatus(virtio::kAcknowledge | virtio::kDriver);
  const uint64_t agreed = OfferedFeatures() & (wanted | virtio::Bit(virtio::kFeatureVersion1));
  for (uint32_t half : {0U, 1U}) {
    qtest_.WriteL(common_ + kDriverFeatureSelect, half);
    qtest_.WriteL(common_ + kDriverFeature, static_cast<uint32_t>(agreed >> 32 * half));
  }
  SetStatus(virtio::kAcknowledge | virtio::kDriver | virtio::kFeaturesOk);
  if (!(Status() & virtio::kFeaturesOk))
    throw std::runtime_error("the virtio device refuses the features");
  return agreed;
}

uint16_t VirtioPciDevice::QueueCount() { return qtest_.ReadW(common_ + kNumQueues); }

uint16_t VirtioPciDevice::QueueMaxSize(uint16_t index) {
  qtest_.WriteW(common_ + kQueueSelect, index);
  return qtest_.ReadW(common_ + kQueueSize);
}

Virtqueue VirtioPciDevice::SetUpQueue(uint16_t index, GuestHeap& heap, uint16_t size) {
  const uint16_t max_size = QueueMaxSize(index);
  if (max_size == 0) throw std::runtime_error("the device has no queue " + std::to_string(index));
  Virtqueue queue(qtest_, heap, size ? size : max_size);
  qtest_.WriteW(common_ + kQueueSize, queue.size());
  qtest_.WriteW(common_ + kQueueMsixVector, kNoVector);
  // 64-bit fields are written in halves (section 4.1.3.1).
  const auto write = [&](uint32_t offset, uint64_t value) {
    qtest_.WriteL(common_ + offset, static_cast<uint32_t>(value));
    qtest_.WriteL(common_ + offset + 4, static_cast<uint32_t>(value >> 32));
  };
  write(kQueueDescriptors, queue.descriptors());
  write(kQueueDriver, queue.available());
  write(kQueueDevice, queue.used());
  qtest_.WriteW(common_ + kQueueEnable, 1);
  return queue;
}

void VirtioPciDevice::Notify(uint16_t index) {
  qtest_.WriteW(common_ + kQueueSelect, index);
  const uint64_t offset = qtest_.ReadW(common_ + kQueueNotifyOff);
  qtest_.WriteW(notify_ + offset * notify_multiplier_, index);
}

uint8_t VirtioPciDevice::Isr() { return qtest_.ReadB(isr_); }

}  // namespace stx
