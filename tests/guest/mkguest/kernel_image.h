// SPDX-License-Identifier: GPL-2.0-or-later
// Extracts the uncompressed kernel that Kata boots from the bzImage that Debian ships.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace stx {

/// The ELF file in a bzImage (Linux x86 boot protocol, setup header 2.08 and later; any compression
/// that libarchive reads). Throws with the reason if it is not a complete bzImage.
std::string ExtractVmlinux(std::string_view bzimage);

/// Throws unless `elf` is an x86-64 ELF file that QEMU can enter through PVH, with a PT_NOTE that
/// has Xen's XEN_ELFNOTE_PHYS32_ENTRY (18). Returns the physical address of the entry point.
uint32_t FindPvhEntry(std::string_view elf);

}  // namespace stx
