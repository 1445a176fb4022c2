// SPDX-License-Identifier: GPL-2.0-or-later
// MSI-X of a PCI function (PCI Local Bus 3.0, section 6.8.2). A message is a write of the device:
// sent into guest memory, it can be read there.
#pragma once

#include <cstdint>
#include <vector>

#include "harness/qemu/pci.h"

namespace stx {

class Msix {
 public:
  /// `bars` as PciBus::Enable returned them. Throws when the function has no MSI-X.
  Msix(const PciDevice& device, const std::vector<uint64_t>& bars);

  /// How many vectors the table has.
  uint16_t vectors() const { return vectors_; }
  void Enable(bool on = true);
  /// All vectors wait in the pending bits while this is set (Function Mask).
  void MaskFunction(bool on);

  /// Vector `vector` writes `data` to `address`, 4 bytes, and is unmasked.
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
