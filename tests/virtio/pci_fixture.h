// SPDX-License-Identifier: GPL-2.0-or-later
// The smallest disk on PCI, and the registers of its common configuration (virtio 1.2, section
// 4.1.4.3).
#pragma once

#include <cstdint>

#include "virtio/disk_fixture.h"

namespace stx {

class VirtioPci : public DiskTest {
 protected:
  uint64_t At(uint32_t offset) { return device->common() + offset; }
  uint16_t Vector(uint32_t offset) { return qtest().ReadW(At(offset)); }
  /// Interrupt Status of the PCI status register.
  bool InterruptStatus() { return device->pci().ReadW(6) & 8; }
};

}  // namespace stx
