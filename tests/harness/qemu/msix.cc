// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/qemu/msix.h"

#include <stdexcept>

namespace stx {
namespace {

constexpr uint16_t kEnable = 1 << 15, kFunctionMask = 1 << 14;

}  // namespace

Msix::Msix(const PciDevice& device, const std::vector<uint64_t>& bars) : device_(device) {
  const std::vector<uint8_t> found = device.FindCapabilities(pci::kCapabilityMsix);
  if (found.empty()) throw std::runtime_error("the PCI function has no MSI-X");
  capability_ = found[0];
  vectors_ =
      static_cast<uint16_t>((device.ReadW(static_cast<uint8_t>(capability_ + 2)) & 0x7ff) + 1);
  // The offset; its low three bits are the BAR.
  const auto place = [&](int offset) {
    const uint32_t value = device.ReadL(static_cast<uint8_t>(capability_ + offset));
    return bars.at(value & 7) + (value & ~7U);
  };
  table_ = place(4);
  pending_ = place(8);
}

void Msix::SetControl(uint16_t bit, bool on) {
  const auto offset = static_cast<uint8_t>(capability_ + 2);
  const uint16_t value = device_.ReadW(offset);
  device_.WriteW(offset, static_cast<uint16_t>(on ? value | bit : value & ~bit));
}

void Msix::Enable(bool on) { SetControl(kEnable, on); }
void Msix::MaskFunction(bool on) { SetControl(kFunctionMask, on); }

void Msix::Route(uint16_t vector, uint64_t address, uint32_t data) {
  QTest& qtest = device_.qtest();
  qtest.WriteL(Entry(vector), static_cast<uint32_t>(address));
  qtest.WriteL(Entry(vector) + 4, static_cast<uint32_t>(address >> 32));
  qtest.WriteL(Entry(vector) + 8, data);
  Mask(vector, false);
}

void Msix::Mask(uint16_t vector, bool on) {
  device_.qtest().WriteL(Entry(vector) + 12, on ? 1 : 0);
}

bool Msix::Pending(uint16_t vector) const {
  return device_.qtest().ReadQ(pending_ + 8ULL * (vector / 64)) >> (vector % 64) & 1;
}

}  // namespace stx
