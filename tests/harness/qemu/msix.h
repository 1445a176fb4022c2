// SPDX-License-Identifier: GPL-2.0-or-later
// MSI-X of a PCI function (PCI Local Bus 3.0, section 6.8.2). A message is a write by the device;
// if it is sent into guest memory, the test can read it there.
#pragma once

#include <cstdint>
#include <vector>

#include "harness/qemu/pci.h"

namespace stx {

class Msix {
 public:
  /// `bars` is what PciBus::Enable returned. Throws if the function has no MSI-X.
  Msix(const PciDevice& device, const std::vector<uint64_t>& bars);

  /// The number of vectors in the table.
  uint16_t vectors() const { return vectors_; }
  void Enable(bool on = true);
  /// Function Mask: while it is set, all vectors stay in the pending bits.
  void MaskFunction(bool on);

  /// Unmasks vector `vector` and makes it write `data` (4 bytes) to `address`.
  void Route(uint16_t vector, uint64_t address, uint32_t data);
  void Mask(uint16_t vector, bool on);
  bool Pending(uint16_t vector) const;

 private:
  uint64_t Entry(uint16_t vector) const { return table_ + 16ULL * vector; }
  void SetControl(uint16_t bit, bool on);

  PciDevice device_;
  uint8_t capability_;
  uint16_t vectors_;
  uint64_t table_, pending_;
};

}  // namespace stx
