// SPDX-License-Identifier: GPL-2.0-or-later
// PCI as a driver sees it, accessed by qtest: configuration space through ports 0xcf8/0xcfc (PCI
// Local Bus 3.0, section 3.2.2.3.2), base address registers (6.2.5), capabilities (6.7).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "harness/qemu/qtest.h"

namespace stx {

/// Offsets in the configuration space of a function.
namespace pci {
inline constexpr uint8_t kVendor = 0x00, kDevice = 0x02, kCommand = 0x04, kHeaderType = 0x0e,
                         kBar0 = 0x10, kCapabilities = 0x34;
/// Of a bridge (PCI-to-PCI Bridge 1.2, section 3.2.5).
inline constexpr uint8_t kBusNumbers = 0x18, kIoWindow = 0x1c, kMemoryWindow = 0x20,
                         kPrefetchWindow = 0x24;
inline constexpr uint16_t kCommandIo = 1, kCommandMemory = 2, kCommandMaster = 4;
inline constexpr uint8_t kCapabilityMsix = 0x11, kCapabilityVendor = 0x09;
}  // namespace pci

/// One function. It is cheap to copy; the QTest must outlive it.
class PciDevice {
 public:
  PciDevice(QTest& qtest, uint8_t bus, uint8_t devfn) : qtest_(&qtest), bus_(bus), devfn_(devfn) {}

  uint8_t bus() const { return bus_; }
  uint8_t devfn() const { return devfn_; }
  uint8_t slot() const { return devfn_ >> 3; }
  uint8_t function() const { return devfn_ & 7; }
  QTest& qtest() const { return *qtest_; }

  uint8_t ReadB(uint8_t offset) const;
  uint16_t ReadW(uint8_t offset) const;
  uint32_t ReadL(uint8_t offset) const;
  void WriteW(uint8_t offset, uint16_t value) const;
  void WriteL(uint8_t offset, uint32_t value) const;

  /// False if nothing answers there (all ones).
  bool IsPresent() const { return ReadW(pci::kVendor) != 0xffff; }
  uint16_t vendor() const { return ReadW(pci::kVendor); }
  uint16_t device() const { return ReadW(pci::kDevice); }
  /// Offsets of all capabilities with that id, in the order of the list.
  std::vector<uint8_t> FindCapabilities(uint8_t id) const;

 private:
  void Select(uint8_t offset) const;

  QTest* qtest_;
  uint8_t bus_, devfn_;
};

/// A bus. The test acts as its firmware: it finds functions and assigns addresses.
class PciBus {
 public:
  /// The root bus.
  explicit PciBus(QTest& qtest) : qtest_(qtest) {}

  /// The bus behind a bridge or root port of this bus. Numbers it and opens windows of 4 KiB of I/O
  /// space and of `memory` bytes (a multiple of 1 MiB). Supports one level of bridges.
  PciBus Behind(const PciDevice& bridge, uint32_t memory = 4 << 20);

  PciDevice At(uint8_t slot, uint8_t function = 0) const {
    return {qtest_, number_, static_cast<uint8_t>(slot << 3 | function)};
  }
  /// All functions on this bus.
  std::vector<PciDevice> Scan() const;
  /// The first function with these ids; unset if there is none.
  std::optional<PciDevice> Find(uint16_t vendor, uint16_t device) const;

  /// Sizes and places every BAR (in memory below 4 GiB, 64-bit BARs too) and enables decoding and
  /// bus mastering. Element i of the result is the base of BAR i, or 0 if the function does not
  /// have it.
  std::vector<uint64_t> Enable(const PciDevice& device);

 private:
  QTest& qtest_;
  uint8_t number_ = 0, next_bus_ = 1;
  // Unused in every x86 machine of QEMU: above MMCONFIG and the RAM below 4 GiB, below the I/O
  // APIC.
  uint64_t next_memory_ = 0xd0000000, memory_end_ = 0xfe000000;
  uint32_t next_io_ = 0x2000, io_end_ = 0x10000;
};

/// The memory-mapped configuration space of q35 (PCI Express 4.0, section 7.2.2), with all 4 KiB of
/// each function.
class Mmconfig {
 public:
  /// Enables it at 0xb0000000 for 256 buses, as firmware does.
  explicit Mmconfig(QTest& qtest);

  uint32_t ReadL(const PciDevice& device, uint16_t offset) const;
  /// The offset of the first extended capability with that id; 0 if there is none.
  uint16_t ExtendedCapability(const PciDevice& device, uint16_t id) const;

 private:
  QTest& qtest_;
};

}  // namespace stx
