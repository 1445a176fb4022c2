// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/qemu/pci.h"

#include <stdexcept>

namespace stx {
namespace {

constexpr uint16_t kAddressPort = 0xcf8, kDataPort = 0xcfc;
constexpr uint64_t kMmconfig = 0xb0000000;
constexpr uint8_t kPciexbar = 0x60;  // of q35's memory controller hub, 00:00.0

uint64_t AlignUp(uint64_t value, uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

}  // namespace

void PciDevice::Select(uint8_t offset) const {
  qtest_->OutL(kAddressPort,
               1U << 31 | uint32_t{bus_} << 16 | uint32_t{devfn_} << 8 | (offset & 0xfcU));
}

uint8_t PciDevice::ReadB(uint8_t offset) const {
  Select(offset);
  return qtest_->InB(kDataPort + (offset & 3));
}

uint16_t PciDevice::ReadW(uint8_t offset) const {
  Select(offset);
  return qtest_->InW(kDataPort + (offset & 2));
}

uint32_t PciDevice::ReadL(uint8_t offset) const {
  Select(offset);
  return qtest_->InL(kDataPort);
}

void PciDevice::WriteW(uint8_t offset, uint16_t value) const {
  Select(offset);
  qtest_->OutW(kDataPort + (offset & 2), value);
}

void PciDevice::WriteL(uint8_t offset, uint32_t value) const {
  Select(offset);
  qtest_->OutL(kDataPort, value);
}

std::vector<uint8_t> PciDevice::FindCapabilities(uint8_t id) const {
  std::vector<uint8_t> found;
  // The configuration space has room for 48 entries, so more steps mean a loop.
  uint8_t at = ReadB(pci::kCapabilities) & 0xfc;
  for (int steps = 0; at && steps < 48; ++steps) {
    if (ReadB(at) == id) found.push_back(at);
    at = ReadB(static_cast<uint8_t>(at + 1)) & 0xfc;
  }
  return found;
}

PciBus PciBus::Behind(const PciDevice& bridge, uint32_t memory) {
  constexpr uint32_t kIo = 4096, kMiB = 1 << 20;
  PciBus bus(qtest_);
  bus.number_ = next_bus_++;
  bus.next_memory_ = AlignUp(next_memory_, kMiB);
  bus.memory_end_ = next_memory_ = bus.next_memory_ + memory;
  bus.next_io_ = static_cast<uint32_t>(AlignUp(next_io_, kIo));
  bus.io_end_ = next_io_ = bus.next_io_ + kIo;
  if (next_memory_ > memory_end_ || next_io_ > io_end_)
    throw std::runtime_error("no room for the windows of another bridge");
  // Primary, secondary, subordinate bus; base and limit in units of 4 KiB and of 1 MiB.
  bridge.WriteL(pci::kBusNumbers,
                uint32_t{number_} | uint32_t{bus.number_} << 8 | uint32_t{bus.number_} << 16);
  bridge.WriteW(pci::kIoWindow,
                static_cast<uint16_t>((bus.next_io_ >> 8 & 0xf0) | ((bus.io_end_ - 1) & 0xf000)));
  bridge.WriteL(pci::kMemoryWindow, static_cast<uint32_t>((bus.next_memory_ >> 16 & 0xfff0) |
                                                          ((bus.memory_end_ - 1) & 0xfff00000)));
  bridge.WriteL(pci::kPrefetchWindow, 0x0000fff0);  // closed: the limit is below the base
  bridge.WriteW(pci::kCommand, pci::kCommandIo | pci::kCommandMemory | pci::kCommandMaster);
  return bus;
}

Mmconfig::Mmconfig(QTest& qtest) : qtest_(qtest) {
  PciBus(qtest).At(0).WriteL(kPciexbar, kMmconfig | 1);
}

uint32_t Mmconfig::ReadL(const PciDevice& device, uint16_t offset) const {
  return qtest_.ReadL(kMmconfig + (uint64_t{device.bus()} << 20) +
                      (uint64_t{device.devfn()} << 12) + offset);
}

uint16_t Mmconfig::ExtendedCapability(const PciDevice& device, uint16_t id) const {
  // A header has the capability id in bits 0 to 15 and the offset of the next header in bits 20 to
  // 31.
  for (uint16_t at = 0x100, steps = 0; at >= 0x100 && steps < 960; ++steps) {
    const uint32_t header = ReadL(device, at);
    if (header == 0 || header == ~0U) return 0;
    if ((header & 0xffff) == id) return at;
    at = static_cast<uint16_t>(header >> 20);
  }
  return 0;
}

std::vector<PciDevice> PciBus::Scan() const {
  std::vector<PciDevice> found;
  for (uint8_t slot = 0; slot < 32; ++slot) {
    if (!At(slot).IsPresent()) continue;
    const int functions = At(slot).ReadB(pci::kHeaderType) & 0x80 ? 8 : 1;
    for (uint8_t function = 0; function < functions; ++function)
      if (At(slot, function).IsPresent()) found.push_back(At(slot, function));
  }
  return found;
}

std::optional<PciDevice> PciBus::Find(uint16_t vendor, uint16_t device) const {
  for (const PciDevice& candidate : Scan())
    if (candidate.vendor() == vendor && candidate.device() == device) return candidate;
  return std::nullopt;
}

std::vector<uint64_t> PciBus::Enable(const PciDevice& device) {
  std::vector<uint64_t> bases(6, 0);
  for (size_t i = 0; i < bases.size(); ++i) {
    const auto offset = static_cast<uint8_t>(pci::kBar0 + 4 * i);
    device.WriteL(offset, ~0U);
    const uint32_t mask = device.ReadL(offset);
    if (mask == 0) continue;
    if (mask & 1) {
      const uint32_t size = -(mask & ~3U) & 0xffff;
      next_io_ = static_cast<uint32_t>(AlignUp(next_io_, size));
      bases[i] = next_io_;
      next_io_ += size;
      if (next_io_ > io_end_) throw std::runtime_error("a PCI BAR does not fit into I/O space");
      device.WriteL(offset, static_cast<uint32_t>(bases[i]));
      continue;
    }
    const bool wide = (mask & 6) == 4;
    uint64_t size = -uint64_t{mask & ~15U} & 0xffffffff;
    if (wide) {
      const auto high = static_cast<uint8_t>(offset + 4);
      device.WriteL(high, ~0U);
      const uint64_t whole = uint64_t{device.ReadL(high)} << 32 | (mask & ~15U);
      size = -whole;
      device.WriteL(high, 0);
    }
    bases[i] = AlignUp(next_memory_, size);
    next_memory_ = bases[i] + size;
    if (size > memory_end_ || next_memory_ > memory_end_)
      throw std::runtime_error("a PCI BAR of " + std::to_string(size) +
                               " bytes does not fit into the bus's memory");
    device.WriteL(offset, static_cast<uint32_t>(bases[i]));
    if (wide) ++i;
  }
  device.WriteW(pci::kCommand, pci::kCommandIo | pci::kCommandMemory | pci::kCommandMaster);
  return bases;
}

}  // namespace stx
