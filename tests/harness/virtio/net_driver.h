// SPDX-License-Identifier: GPL-2.0-or-later
// A driver for virtio-net (virtio 1.2, section 5.1).
#pragma once

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "harness/virtio/virtio_pci.h"

namespace stx {

namespace virtio {
/// Feature bits (section 5.1.3).
inline constexpr int kNetMac = 5, kNetControl = 17, kNetMultiqueue = 22;
/// The size in bytes of the header before each frame (5.1.6), if the device accepted VERSION_1.
inline constexpr size_t kNetHeaderSize = 12;
}  // namespace virtio

class NetDriver {
 public:
  static constexpr Milliseconds kWait{20000};

  /// Sets up `pairs` pairs of queues, with receive buffers. Throws if the device does not support
  /// so many.
  NetDriver(PciBus& bus, uint8_t slot, GuestHeap& heap, int pairs);

  VirtioPciDevice& device() { return device_; }
  bool Agreed(int feature) const { return agreed_ & virtio::Bit(feature); }

  /// Returns once the device has taken the frame.
  void Send(int pair, const std::string& frame);

  /// Receives frames on all queues until `parse`, which returns an optional, accepts one; returns
  /// its result. Throws if none arrives.
  template <typename Parse>
  auto Receive(const Parse& parse) {
    decltype(parse(std::string())) parsed;
    ReceiveUntil([&](const std::string& frame) { return bool(parsed = parse(frame)); });
    return *parsed;
  }

 private:
  static constexpr uint16_t kSize = 16;
  static constexpr uint32_t kBuffer = 2048;

  void ReceiveUntil(const std::function<bool(const std::string&)>& is_it);
  /// Tells the device to use only the queues that we use.
  void SetPairs(Virtqueue& control, uint16_t index, GuestHeap& heap);
  /// One descriptor per buffer, taken round robin, so the head is the buffer's number.
  void Offer(uint16_t index, uint16_t buffer);

  VirtioPciDevice device_;
  int pairs_;
  uint64_t agreed_ = 0;
  std::vector<Virtqueue> queues_;
  std::vector<uint64_t> buffers_;
  unsigned sent_ = 0;
};

}  // namespace stx
