// SPDX-License-Identifier: GPL-2.0-or-later
// The smallest kernels that firmware can start. They record that they were reached and what they
// were given, and halt. With one of them, a start-up test covers firmware, option ROM and kernel
// loading within a second, under any accelerator.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "harness/qemu/qmp.h"

namespace stx {

/// An ELF kernel that is entered by the PVH protocol (option ROM pvh.bin), as Kata's default kernel
/// is. With `counts`, it does not halt but increments the 32-bit counter at kTinyKernelCounter for
/// ever.
void WriteTinyVmlinux(const std::filesystem::path& path, bool counts = false);
inline constexpr uint64_t kTinyKernelCounter = 0x508;
/// A Linux bzImage of boot protocol 2.06 (option ROM linuxboot_dma.bin).
void WriteTinyBzImage(const std::filesystem::path& path);

/// `size` bytes of guest-physical memory at `address`, read with pmemsave. QEMU writes a file next
/// to `scratch`.
std::string ReadGuestMemory(Qmp& qmp, uint64_t address, uint64_t size,
                            const std::filesystem::path& scratch);

/// What the tiny kernel was given.
struct TinyKernelReport {
  std::string command_line;
  /// For an ELF kernel only (struct hvm_start_info): guest-physical addresses; 0 if not given.
  uint64_t initrd = 0, initrd_size = 0, rsdp = 0;
};

/// Waits until the kernel has been reached; unset if the timeout passes first.
std::optional<TinyKernelReport> WaitTinyKernel(Qmp& qmp, const std::filesystem::path& scratch,
                                               Milliseconds timeout = Milliseconds(30000));

}  // namespace stx
