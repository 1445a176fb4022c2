// SPDX-License-Identifier: GPL-2.0-or-later
// The driver of a virtio-serial's first port, a console's (virtio 1.2, section 5.3), without
// MULTIPORT.
#pragma once

#include <string>

#include "harness/virtio/virtio_pci.h"

namespace stx {

class ConsoleDriver {
 public:
  static constexpr Milliseconds kWait{20000};
  /// The most that Print takes, in bytes.
  static constexpr uint32_t kLargest = 512 << 10;

  ConsoleDriver(PciBus& bus, uint8_t slot, GuestHeap& heap);

  /// Hands `text` to the device, without waiting for it to be taken.
  void Print(const std::string& text);
  /// Returns when the device has taken what was printed; throws when it does not.
  void WaitPrinted();
  /// Gives buffers of 64 bytes until `size` bytes came; throws when they do not.
  std::string Read(size_t size);

 private:
  VirtioPciDevice device_;
  Virtqueue to_guest_, from_guest_;
  uint64_t out_, in_;
};

}  // namespace stx
