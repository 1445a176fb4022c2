// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/virtio/net_driver.h"

#include "base/waiting.h"

namespace stx {

NetDriver::NetDriver(PciBus& bus, uint8_t slot, GuestHeap& heap, int pairs)
    : device_(bus, bus.At(slot)), pairs_(pairs) {
  agreed_ = device_.Negotiate(virtio::Bit(virtio::kNetMac) | virtio::Bit(virtio::kNetControl) |
                              virtio::Bit(virtio::kNetMultiqueue));
  for (uint16_t i = 0; i < 2 * pairs; ++i) {
    queues_.push_back(device_.SetUpQueue(i, heap, kSize));
    buffers_.push_back(heap.Allocate(kSize * kBuffer));
  }
  // The control queue follows the last queue that the device can have (section 5.1.2).
  const auto control_index =
      static_cast<uint16_t>(Agreed(virtio::kNetMultiqueue) ? 2 * device_.ConfigW(8) : 2);
  Virtqueue control = device_.SetUpQueue(control_index, heap);
  device_.SetDriverOk();
  for (uint16_t i = 0; i < 2 * pairs; i += 2)
    for (uint16_t buffer = 0; buffer < kSize; ++buffer) Offer(i, buffer);
  if (pairs > 1) SetPairs(control, control_index, heap);
}

void NetDriver::SetPairs(Virtqueue& control, uint16_t index, GuestHeap& heap) {
  // VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET
  const uint64_t command = heap.Allocate(5);
  device_.qtest().WriteW(command, 4);
  device_.qtest().WriteW(command + 2, static_cast<uint16_t>(pairs_));
  control.Add({{command, 2, false}, {command + 2, 2, false}, {command + 4, 1, true}});
  device_.Notify(index);
  control.Wait(Deadline(kWait));
  if (device_.qtest().ReadB(command + 4) != 0) throw std::runtime_error("MQ_VQ_PAIRS_SET: refused");
}

void NetDriver::Offer(uint16_t index, uint16_t buffer) {
  queues_[index].Add({{buffers_[index] + buffer * kBuffer, kBuffer, true}});
  device_.Notify(index);
}

void NetDriver::Send(int pair, const std::string& frame) {
  const auto index = static_cast<uint16_t>(2 * pair + 1);
  const uint64_t at = buffers_[index] + sent_++ % kSize * kBuffer;
  device_.qtest().MemSet(at, virtio::kNetHeaderSize, 0);
  device_.qtest().MemWrite(at + virtio::kNetHeaderSize, frame.data(), frame.size());
  queues_[index].Add({{at, static_cast<uint32_t>(virtio::kNetHeaderSize + frame.size()), false}});
  device_.Notify(index);
  queues_[index].Wait(Deadline(kWait));
}

void NetDriver::ReceiveUntil(const std::function<bool(const std::string&)>& is_it) {
  WaitUntil("the frame that is waited for", Deadline(kWait), [&] {
    for (uint16_t index = 0; index < 2 * pairs_; index += 2)
      while (const auto used = queues_[index].Take()) {
        const uint16_t buffer = used->head;
        const auto bytes =
            device_.qtest().MemRead(buffers_[index] + buffer * kBuffer, used->written);
        Offer(index, buffer);
        if (is_it(std::string(bytes.begin() + virtio::kNetHeaderSize, bytes.end()))) return true;
      }
    return false;
  });
}

}  // namespace stx
