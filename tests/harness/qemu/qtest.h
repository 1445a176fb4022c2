// SPDX-License-Identifier: GPL-2.0-or-later
// A client of QEMU's qtest protocol (docs/devel/qtest.rst of the base): a test accesses the
// machine's memory, I/O ports, clock and interrupts from outside, while no guest CPU runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/os.h"

namespace stx {

class QTest {
 public:
  /// `connection` is the socket that QEMU's -qtest unix:PATH has connected to.
  explicit QTest(UniqueFd connection) : fd_(std::move(connection)) {}

  /// `ram` is guest RAM, starting at address 0, that is shared with QEMU. From now on, accesses
  /// above the first MiB need no round trip. Not for a machine that migrates, because QEMU does not
  /// see such writes.
  void MapRam(std::span<uint8_t> ram) { ram_ = ram; }

  /// I/O ports. Values are in host byte order; addresses are in the port space.
  uint8_t InB(uint16_t port) { return static_cast<uint8_t>(In("inb", port)); }
  uint16_t InW(uint16_t port) { return static_cast<uint16_t>(In("inw", port)); }
  uint32_t InL(uint16_t port) { return static_cast<uint32_t>(In("inl", port)); }
  void OutB(uint16_t port, uint8_t value) { Out("outb", port, value); }
  void OutW(uint16_t port, uint16_t value) { Out("outw", port, value); }
  void OutL(uint16_t port, uint32_t value) { Out("outl", port, value); }

  /// Guest-physical memory or MMIO: one access of that width, little-endian.
  uint8_t ReadB(uint64_t address) { return Load<uint8_t>("readb", address); }
  uint16_t ReadW(uint64_t address) { return Load<uint16_t>("readw", address); }
  uint32_t ReadL(uint64_t address) { return Load<uint32_t>("readl", address); }
  uint64_t ReadQ(uint64_t address) { return Load<uint64_t>("readq", address); }
  void WriteB(uint64_t address, uint8_t value) { Store("writeb", address, value); }
  void WriteW(uint64_t address, uint16_t value) { Store("writew", address, value); }
  void WriteL(uint64_t address, uint32_t value) { Store("writel", address, value); }
  void WriteQ(uint64_t address, uint64_t value) { Store("writeq", address, value); }

  /// Guest-physical memory of any length in bytes.
  std::vector<uint8_t> MemRead(uint64_t address, size_t length);
  void MemWrite(uint64_t address, const void* data, size_t length);
  void MemSet(uint64_t address, size_t length, uint8_t value);

  /// The virtual clock, in nanoseconds. Returns the clock after the step.
  int64_t ClockStep(int64_t nanoseconds);
  int64_t ClockStep();

  /// Sends any other command of the protocol; returns what follows "OK".
  std::string Command(const std::string& line);

 private:
  /// Where the guest's [address, address + size) is mapped, or null if it is not.
  uint8_t* Mapped(uint64_t address, uint64_t size) const {
    constexpr uint64_t kFirst = 1 << 20;  // below it, ROM and VGA lie over RAM
    const bool inside = address >= kFirst && size <= ram_.size() && address <= ram_.size() - size;
    return inside ? ram_.data() + address : nullptr;
  }
  /// Devices' threads see aligned accesses in the order in which they were made.
  template <typename T>
  T Load(const char* name, uint64_t address) {
    const uint8_t* at = Mapped(address, sizeof(T));
    if (!at) return static_cast<T>(In(name, address));
    return __atomic_load_n(reinterpret_cast<const T*>(at), __ATOMIC_SEQ_CST);
  }
  template <typename T>
  void Store(const char* name, uint64_t address, T value) {
    uint8_t* at = Mapped(address, sizeof(T));
    if (!at) return Out(name, address, value);
    __atomic_store_n(reinterpret_cast<T*>(at), value, __ATOMIC_SEQ_CST);
  }
  uint64_t In(const char* name, uint64_t address);
  void Out(const char* name, uint64_t address, uint64_t value);
  std::string ReadLine();

  UniqueFd fd_;
  std::string buffer_;
  std::span<uint8_t> ram_;
};

}  // namespace stx
