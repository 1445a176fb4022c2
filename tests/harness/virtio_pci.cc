#include "harness/virtio_pci.h"

#include <map>
#include <stdexcept>

namespace stx {
namespace {

// PCI configuration space and its mechanism 1.
constexpr uint16_t kConfigAddress = 0xcf8, kConfigData = 0xcfc;
constexpr unsigned kCommand = 0x04, kBar0 = 0x10, kCapabilities = 0x34;
constexpr uint32_t kMemoryAndMaster = 0x6;
constexpr uint64_t kBarStride = 0x100000;

// struct virtio_pci_cap, virtio 1.2, 4.1.4.
constexpr uint8_t kVendorCap = 0x09, kCommonCfg = 1, kNotifyCfg = 2;

// struct virtio_pci_common_cfg, virtio 1.2, 4.1.4.3.
enum Common : unsigned {
  kDeviceFeatureSelect = 0x00,
  kDriverFeatureSelect = 0x08,
  kDriverFeature = 0x0c,
  kDeviceStatus = 0x14,
  kQueueSelect = 0x16,
  kQueueSize = 0x18,
  kQueueEnable = 0x1c,
  kQueueNotifyOff = 0x1e,
  kQueueDesc = 0x20,
  kQueueDriver = 0x28,
  kQueueDevice = 0x30,
};
constexpr uint8_t kAcknowledge = 1, kDriver = 2, kDriverOk = 4, kFeaturesOk = 8;

// Inside a queue's 16 KiB: 256 descriptors of 16 bytes, then a page for each ring.
constexpr uint64_t kAvail = 0x1000, kUsed = 0x2000;
constexpr uint16_t kDescWrite = 2;

}  // namespace

VirtioPci::VirtioPci(QTest& qtest, unsigned slot, uint64_t mmio) : qtest_(&qtest), slot_(slot) {
  std::map<unsigned, uint64_t> bars;
  auto map_bar = [&](unsigned bar) {
    if (auto it = bars.find(bar); it != bars.end()) return it->second;
    uint64_t base = mmio + bars.size() * kBarStride;
    uint32_t kind = ConfigRead(kBar0 + 4 * bar);
    ConfigWrite(kBar0 + 4 * bar, static_cast<uint32_t>(base));
    if ((kind & 6) == 4) ConfigWrite(kBar0 + 4 * bar + 4, static_cast<uint32_t>(base >> 32));
    return bars[bar] = base;
  };
  for (unsigned cap = ConfigRead(kCapabilities) & 0xfc; cap;) {
    uint32_t head = ConfigRead(cap);
    if ((head & 0xff) == kVendorCap) {
      unsigned type = head >> 24;
      if (type == kCommonCfg || type == kNotifyCfg) {
        uint64_t base = map_bar(ConfigRead(cap + 4) & 0xff) + ConfigRead(cap + 8);
        (type == kCommonCfg ? common_ : notify_) = base;
        if (type == kNotifyCfg) notify_multiplier_ = ConfigRead(cap + 16);
      }
    }
    cap = head >> 8 & 0xfc;
  }
  if (!common_ || !notify_)
    throw std::runtime_error("no modern virtio device in PCI slot " + std::to_string(slot));
  ConfigWrite(kCommand, ConfigRead(kCommand) | kMemoryAndMaster);
}

uint32_t VirtioPci::ConfigRead(unsigned offset) {
  qtest_->OutL(kConfigAddress, 0x80000000u | slot_ << 11 | (offset & 0xfc));
  return qtest_->InL(kConfigData);
}

void VirtioPci::ConfigWrite(unsigned offset, uint32_t value) {
  qtest_->OutL(kConfigAddress, 0x80000000u | slot_ << 11 | (offset & 0xfc));
  qtest_->OutL(kConfigData, value);
}

uint8_t VirtioPci::status() { return qtest_->ReadB(common_ + kDeviceStatus); }

void VirtioPci::Negotiate(uint32_t features) {
  qtest_->WriteB(common_ + kDeviceStatus, 0);
  qtest_->WriteB(common_ + kDeviceStatus, kAcknowledge | kDriver);
  qtest_->WriteL(common_ + kDriverFeatureSelect, 0);
  qtest_->WriteL(common_ + kDriverFeature, features);
  qtest_->WriteL(common_ + kDriverFeatureSelect, 1);
  qtest_->WriteL(common_ + kDriverFeature, 1);  // bit 32, VIRTIO_F_VERSION_1
  qtest_->WriteB(common_ + kDeviceStatus, kAcknowledge | kDriver | kFeaturesOk);
  if (!(status() & kFeaturesOk)) throw std::runtime_error("the device refused the features");
}

SplitQueue VirtioPci::AddQueue(uint16_t index, uint16_t size, uint64_t address) {
  qtest_->MemSet(address, 0x4000, 0);
  qtest_->WriteW(common_ + kQueueSelect, index);
  qtest_->WriteW(common_ + kQueueSize, size);
  qtest_->WriteQ(common_ + kQueueDesc, address);
  qtest_->WriteQ(common_ + kQueueDriver, address + kAvail);
  qtest_->WriteQ(common_ + kQueueDevice, address + kUsed);
  qtest_->WriteW(common_ + kQueueEnable, 1);
  uint16_t notify_off = qtest_->ReadW(common_ + kQueueNotifyOff);
  return {.index = index,
          .size = size,
          .address = address,
          .notify_offset = notify_off * notify_multiplier_};
}

void VirtioPci::DriverOk() {
  qtest_->WriteB(common_ + kDeviceStatus, kAcknowledge | kDriver | kFeaturesOk | kDriverOk);
}

void VirtioPci::Offer(SplitQueue& queue, uint16_t descriptor, uint64_t address, uint32_t length,
                      bool writable) {
  uint64_t entry = queue.address + 16u * descriptor;
  qtest_->WriteQ(entry, address);
  qtest_->WriteL(entry + 8, length);
  qtest_->WriteW(entry + 12, writable ? kDescWrite : 0);
  uint64_t avail = queue.address + kAvail;
  qtest_->WriteW(avail + 4 + 2u * (queue.next_avail % queue.size), descriptor);
  qtest_->WriteW(avail + 2, ++queue.next_avail);
}

void VirtioPci::Notify(const SplitQueue& queue) {
  qtest_->WriteW(notify_ + queue.notify_offset, queue.index);
}

uint16_t VirtioPci::UsedIndex(const SplitQueue& queue) {
  return qtest_->ReadW(queue.address + kUsed + 2);
}

std::vector<uint32_t> VirtioPci::TakeUsed(SplitQueue& queue) {
  std::vector<uint32_t> lengths;
  for (uint16_t end = UsedIndex(queue); queue.last_used != end; ++queue.last_used)
    lengths.push_back(
        qtest_->ReadL(queue.address + kUsed + 4 + 8u * (queue.last_used % queue.size) + 4));
  return lengths;
}

}  // namespace stx
