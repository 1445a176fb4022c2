// SPDX-License-Identifier: GPL-2.0-or-later
// The uncompressed kernel that Kata boots, out of the bzImage that Debian ships.
#pragma once

#include <string>
#include <string_view>

namespace stx {

/// The ELF in a bzImage (Linux x86 boot protocol, setup header 2.08 and later; any compression that
/// libarchive reads). Throws with the reason for what is not a whole bzImage.
std::string ExtractVmlinux(std::string_view bzimage);

/// Throws unless `elf` is an x86-64 ELF that QEMU can enter through PVH: a PT_NOTE with Xen's
/// XEN_ELFNOTE_PHYS32_ENTRY (18). Returns that entry's physical address.
uint32_t PvhEntry(std::string_view elf);

}  // namespace stx
