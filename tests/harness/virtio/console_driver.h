// SPDX-License-Identifier: GPL-2.0-or-later
// A driver for the first port, the console, of a virtio-serial device (virtio 1.2, section 5.3),
// without MULTIPORT.
#pragma once

#include <cstdint>
#include <string>

#include "harness/virtio/virtio_pci.h"

namespace stx {

class ConsoleDriver {
 public:
  static constexpr Milliseconds kWait{20000};
  /// The most that Print accepts, in bytes.
  static constexpr uint32_t kLargest = 512 << 10;

  ConsoleDriver(PciBus& bus, uint8_t slot, GuestHeap& heap);

  /// Makes `text` available to the device; does not wait until the device has taken it.
  void Print(const std::string& text);
  /// Returns once the device has taken everything that was printed. Throws if it does not.
  void WaitPrinted();
  /// Offers buffers of 64 bytes until `size` bytes have arrived. Throws if they do not.
  std::string Read(size_t size);

 private:
  VirtioPciDevice device_;
  Virtqueue to_guest_, from_guest_;
  uint64_t out_, in_;
};

}  // namespace stx
