// SPDX-License-Identifier: GPL-2.0-or-later
// The guest's side of ACPI hot-plug on q35. These classes access the registers as the methods of
// QEMU's DSDT do (docs/specs/acpi_pci_hotplug.rst, acpi_cpu_hotplug.rst, acpi_mem_hotplug.rst of
// the base), so that a test can detect, use and eject devices as a guest does.
#pragma once

#include <cstdint>

#include "harness/qemu/qmp.h"
#include "harness/qemu/qtest.h"

namespace stx {

class PciHotplug {
 public:
  /// For the bus behind the bridge or root port `id`.
  PciHotplug(QTest& qtest, Qmp& qmp, const std::string& id);

  /// Bit masks of slots: plugged since the last read; to be ejected; ejectable.
  uint32_t TakeAdded() { return Read(0); }
  uint32_t ReadRemoved() { return Read(4); }
  uint32_t ReadEjectable() { return Read(12); }
  void Eject(uint8_t slot);

 private:
  uint32_t Read(uint16_t offset);

  QTest& qtest_;
  uint32_t bus_;
};

class CpuHotplug {
 public:
  static constexpr uint8_t kEnabled = 1, kInserting = 2, kRemoving = 4, kEject = 8;

  /// Switches from the legacy registers to these, as the first method of the DSDT does.
  explicit CpuHotplug(QTest& qtest);

  uint8_t ReadFlags(uint32_t cpu);
  void SetFlags(uint32_t cpu, uint8_t flags);

 private:
  QTest& qtest_;
};

class MemoryHotplug {
 public:
  static constexpr uint8_t kEnabled = 1, kInserting = 2, kRemoving = 4, kEject = 8;

  explicit MemoryHotplug(QTest& qtest) : qtest_(qtest) {}

  uint8_t ReadFlags(uint32_t slot);
  void SetFlags(uint32_t slot, uint8_t flags);
  /// Guest-physical, in bytes.
  uint64_t ReadAddress(uint32_t slot);
  uint64_t ReadSize(uint32_t slot);
  /// Evaluates _OST: event 3 (eject request) with a status other than success refuses the request.
  void ReportRefusal(uint32_t slot);

 private:
  void Select(uint32_t slot);

  QTest& qtest_;
};

}  // namespace stx
