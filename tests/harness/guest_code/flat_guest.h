// SPDX-License-Identifier: GPL-2.0-or-later
// A guest of our own in flat 32-bit protected mode without paging, given as assembled code
// (guest_code.h), for behaviour that only instructions can show. It is firmware, so it starts at
// once and needs no disk.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/os.h"
#include "harness/qemu/qemu.h"

namespace stx {

class FlatGuest {
 public:
  /// The RAM that Put fills before the guest runs. The stacks are above it; RAM ends at 4 MiB.
  static constexpr uint32_t kBegin = 0x100000, kEnd = 0x10e000;
  /// Entry points of the first CPU, and of the second, which the first has started. Interrupts are
  /// off, the PICs are masked, and ESP is set. The first CPU's local APIC is enabled, and EDI
  /// points to it.
  static constexpr uint32_t kFirstCpu = kBegin, kSecondCpu = 0x101000;
  /// Where the guest writes its results. The last 8 bytes belong to the start-up code.
  static constexpr uint32_t kReport = 0x102000;
  static constexpr uint32_t kIdt = 0x103000, kGdt = 0xf00a4;
  static constexpr uint16_t kIdtLimit = 0x7ff, kGdtLimit = 0x17;
  static constexpr uint16_t kCodeSelector = 0x08, kDataSelector = 0x10;

  /// `cpus` is one or two.
  explicit FlatGuest(uint8_t cpus);

  /// Copies code or data to `address`, which is between kBegin and kEnd.
  void Put(uint32_t address, std::string_view bytes);
  template <typename T>
  requires std::is_trivially_copyable_v<T>
  void Put(uint32_t address, const T& data) {
    Put(address, std::string_view(reinterpret_cast<const char*>(&data), sizeof(data)));
  }
  /// Sets `handler` as the interrupt gate of `vector`. An event without a handler halts its CPU,
  /// and ReadReport throws.
  void SetHandler(uint8_t vector, uint32_t handler);

  /// QEMU's options: machine q35 under TCG with one thread per CPU. The CPUs have SVM.
  QemuOptions MakeOptions();
  /// The T (plain data) at kReport. It is read without QEMU's monitor, because QEMU may hang.
  template <typename T>
  T ReadReport() const {
    const std::string page = ReadPage();
    T report;
    static_assert(sizeof(report) <= kReportSize - 8);
    page.copy(reinterpret_cast<char*>(&report), sizeof(report));
    return report;
  }

 private:
  static constexpr size_t kReportSize = 0x1000;
  std::string ReadPage() const;

  TempDir dir_{"guest"};
  uint8_t cpus_;
  std::string image_;
};

}  // namespace stx
