// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/qemu/acpi_hotplug.h"

namespace stx {
namespace {

constexpr uint16_t kPci = 0x0cc0, kPciEject = 8, kPciSelect = 16;
constexpr uint16_t kCpu = 0x0cd8, kCpuFlags = 4, kCpuCommand = 5;
constexpr uint16_t kMemory = 0x0a00, kMemoryEvent = 4, kMemoryStatus = 8, kMemoryFlags = 20;

}  // namespace

PciHotplug::PciHotplug(QTest& qtest, Qmp& qmp, const std::string& id)
    : qtest_(qtest),
      bus_(qmp.Execute("qom-get", {{"path", "/machine/peripheral/" + id + "/" + id},
                                   {"property", "acpi-pcihp-bsel"}})) {}

uint32_t PciHotplug::Read(uint16_t offset) {
  qtest_.OutL(kPci + kPciSelect, bus_);
  return qtest_.InL(static_cast<uint16_t>(kPci + offset));
}

void PciHotplug::Eject(uint8_t slot) {
  qtest_.OutL(kPci + kPciSelect, bus_);
  qtest_.OutL(kPci + kPciEject, 1U << slot);
}

CpuHotplug::CpuHotplug(QTest& qtest) : qtest_(qtest) {
  qtest_.OutL(kCpu, 0);
  qtest_.OutB(kCpu + kCpuCommand, 0);
}

uint8_t CpuHotplug::ReadFlags(uint32_t cpu) {
  qtest_.OutL(kCpu, cpu);
  return qtest_.InB(kCpu + kCpuFlags);
}

void CpuHotplug::SetFlags(uint32_t cpu, uint8_t flags) {
  qtest_.OutL(kCpu, cpu);
  qtest_.OutB(kCpu + kCpuFlags, flags);
}

void MemoryHotplug::Select(uint32_t slot) { qtest_.OutL(kMemory, slot); }

uint8_t MemoryHotplug::ReadFlags(uint32_t slot) {
  Select(slot);
  return qtest_.InB(kMemory + kMemoryFlags);
}

void MemoryHotplug::SetFlags(uint32_t slot, uint8_t flags) {
  Select(slot);
  qtest_.OutB(kMemory + kMemoryFlags, flags);
}

uint64_t MemoryHotplug::ReadAddress(uint32_t slot) {
  Select(slot);
  return qtest_.InL(kMemory) | uint64_t{qtest_.InL(kMemory + 4)} << 32;
}

uint64_t MemoryHotplug::ReadSize(uint32_t slot) {
  Select(slot);
  return qtest_.InL(kMemory + 8) | uint64_t{qtest_.InL(kMemory + 12)} << 32;
}

void MemoryHotplug::ReportRefusal(uint32_t slot) {
  constexpr uint32_t kEjectRequest = 3, kFailure = 1;
  Select(slot);
  qtest_.OutL(kMemory + kMemoryEvent, kEjectRequest);
  qtest_.OutL(kMemory + kMemoryStatus, kFailure);
}

}  // namespace stx
