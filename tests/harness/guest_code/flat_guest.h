// SPDX-License-Identifier: GPL-2.0-or-later
// A guest of our own in flat 32-bit protected mode without paging, as assembled code
// (guest_code.h): for what only instructions can show. It is firmware, so it runs at once and needs
// no disk.
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
  /// RAM that Put fills, before anything there runs. The stacks are above it; RAM ends at 4 MiB.
  static constexpr uint32_t kBegin = 0x100000, kEnd = 0x10e000;
  /// Where the first CPU begins, and the second, which it has started: interrupts are off, the PICs
  /// masked, ESP is set. The first has its local APIC enabled, and EDI points to that.
  static constexpr uint32_t kFirstCpu = kBegin, kSecondCpu = 0x101000;
  /// What the guest has to say; its last 8 bytes are the start code's.
  static constexpr uint32_t kReport = 0x102000;
  static constexpr uint32_t kIdt = 0x103000, kGdt = 0xf00a4;
  static constexpr uint16_t kIdtLimit = 0x7ff, kGdtLimit = 0x17;
  static constexpr uint16_t kCodeSelector = 0x08, kDataSelector = 0x10;

  /// With `cpus` CPUs, one or two.
  explicit FlatGuest(uint8_t cpus);

  /// Puts code or data to `address`, of kBegin to kEnd.
  void Put(uint32_t address, std::string_view bytes);
  template <typename T>
  requires std::is_trivially_copyable_v<T>
  void Put(uint32_t address, const T& data) {
    Put(address, std::string_view(reinterpret_cast<const char*>(&data), sizeof(data)));
  }
  /// `handler` gets `vector`, through an interrupt gate. An event that has no handler halts its
  /// CPU, and Report throws.
  void SetHandler(uint8_t vector, uint32_t handler);

  /// For QEMU: machine q35 under TCG with a thread for each CPU, which has SVM.
  QemuOptions Options();
  /// The T (plain data) at kReport. QEMU is not asked: it may hang.
  template <typename T>
  T Report() const {
    const std::string page = ReportPage();
    T report;
    static_assert(sizeof(report) <= kReportSize - 8);
    page.copy(reinterpret_cast<char*>(&report), sizeof(report));
    return report;
  }

 private:
  static constexpr size_t kReportSize = 0x1000;
  std::string ReportPage() const;

  TempDir dir_{"guest"};
  uint8_t cpus_;
  std::string image_;
};

}  // namespace stx
