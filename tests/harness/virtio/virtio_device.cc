// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/virtio/virtio_device.h"

#include <stdexcept>

namespace stx {

void VirtioDevice::Reset() {
  SetStatus(0);
  if (Status() != 0) throw std::runtime_error("the virtio device does not finish its reset");
}

uint64_t VirtioDevice::Negotiate(uint64_t wanted) {
  Reset();
  SetStatus(virtio::kAcknowledge);
  SetStatus(virtio::kAcknowledge | virtio::kDriver);
  if (!legacy()) wanted |= virtio::Bit(virtio::kFeatureVersion1);
  const uint64_t agreed = OfferedFeatures() & wanted;
  WriteFeatures(agreed);
  if (legacy()) return agreed;
  SetStatus(virtio::kAcknowledge | virtio::kDriver | virtio::kFeaturesOk);
  if (!(Status() & virtio::kFeaturesOk))
    throw std::runtime_error("the virtio device refuses the features");
  return agreed;
}

uint16_t VirtioDevice::SizeOf(uint16_t index, uint16_t wanted) {
  const uint16_t max = QueueMaxSize(index);
  if (max == 0) throw std::runtime_error("the device has no queue " + std::to_string(index));
  return wanted ? wanted : max;
}

Virtqueue VirtioDevice::SetUpQueue(uint16_t index, GuestHeap& heap, uint16_t size) {
  Virtqueue queue(qtest(), heap, SizeOf(index, size),
                  legacy() ? Virtqueue::Layout::kContiguous : Virtqueue::Layout::kApart);
  PlaceQueue(index, {queue.size(), queue.descriptors(), queue.available(), queue.used()});
  return queue;
}

PackedVirtqueue VirtioDevice::SetUpPackedQueue(uint16_t index, GuestHeap& heap, uint16_t size) {
  PackedVirtqueue queue(qtest(), heap, SizeOf(index, size));
  PlaceQueue(index,
             {queue.size(), queue.descriptor_ring(), queue.driver_events(), queue.device_events()});
  return queue;
}

}  // namespace stx
