// SPDX-License-Identifier: GPL-2.0-or-later
// The guest's end of q35's ACPI hot-plug: what the methods of QEMU's DSDT do with the registers
// (docs/specs/acpi_pci_hotplug.rst, acpi_cpu_hotplug.rst, acpi_mem_hotplug.rst of the base), so
// that a test is a guest that notices, uses and ejects.
#pragma once

#include <cstdint>

#include "harness/qemu/qmp.h"
#include "harness/qemu/qtest.h"

namespace stx {

class PciHotplug {
 public:
  /// Of the bus behind the bridge or root port `id`.
  PciHotplug(QTest& qtest, Qmp& qmp, const std::string& id);

  /// Slots, a bit each, that were plugged since the last read; that are to be ejected; that may be.
  uint32_t TakeAdded() { return Read(0); }
  uint32_t Removed() { return Read(4); }
  uint32_t Ejectable() { return Read(12); }
  void Eject(uint8_t slot);

 private:
  uint32_t Read(uint16_t offset);

  QTest& qtest_;
  uint32_t bus_;
};

class CpuHotplug {
 public:
  static constexpr uint8_t kEnabled = 1, kInserting = 2, kRemoving = 4, kEject = 8;

  /// Switches from the legacy registers to these, as the DSDT's first method does.
  explicit CpuHotplug(QTest& qtest);

  uint8_t Flags(uint32_t cpu);
  void SetFlags(uint32_t cpu, uint8_t flags);

 private:
  QTest& qtest_;
};

class MemoryHotplug {
 public:
  static constexpr uint8_t kEnabled = 1, kInserting = 2, kRemoving = 4, kEject = 8;

  explicit MemoryHotplug(QTest& qtest) : qtest_(qtest) {}

  uint8_t Flags(uint32_t slot);
  void SetFlags(uint32_t slot, uint8_t flags);
  /// Guest-physical, bytes.
  uint64_t Address(uint32_t slot);
  uint64_t Size(uint32_t slot);
  /// _OST: event 3 (eject request) with a status other than success is a refusal.
  void ReportRefusal(uint32_t slot);

 private:
  void Select(uint32_t slot);

  QTest& qtest_;
};

}  // namespace stx
