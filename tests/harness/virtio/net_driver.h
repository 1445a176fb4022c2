// SPDX-License-Identifier: GPL-2.0-or-later
// The driver of a virtio-net (virtio 1.2, section 5.1).
#pragma once

#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "harness/virtio/virtio_pci.h"

namespace stx {

namespace virtio {
/// Feature bits (section 5.1.3).
inline constexpr int kNetMac = 5, kNetControl = 17, kNetMultiqueue = 22;
/// Bytes of the header before each frame (5.1.6), of a device that knows VERSION_1.
inline constexpr size_t kNetHeaderSize = 12;
}  // namespace virtio

class NetDriver {
 public:
  static constexpr Milliseconds kWait{20000};

  /// Takes `pairs` pairs of queues into use, with buffers for what comes. Throws when the device
  /// does not want as many.
  NetDriver(PciBus& bus, uint8_t slot, GuestHeap& heap, int pairs);

  VirtioPciDevice& device() { return device_; }
  bool Agreed(int feature) const { return agreed_ & virtio::Bit(feature); }

  /// Returns when the device has taken the frame.
  void Send(int pair, const std::string& frame);

  /// The first frame on any queue of which `parse` makes something, an optional; throws when none
  /// comes.
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
  /// Has the device use only the queues that we do.
  void SetPairs(Virtqueue& control, uint16_t index, GuestHeap& heap);
  /// One descriptor a buffer, taken round robin: the head is the buffer's number.
  void Offer(uint16_t index, uint16_t buffer);

  VirtioPciDevice device_;
  int pairs_;
  uint64_t agreed_ = 0;
  std::vector<Virtqueue> queues_;
  std::vector<uint64_t> buffers_;
  unsigned sent_ = 0;
};

}  // namespace stx
