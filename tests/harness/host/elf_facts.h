// SPDX-License-Identifier: GPL-2.0-or-later
// Properties that the linker gave a program and that matter for hardening (ELF gABI; the GNU
// extensions of the LSB).
#pragma once

#include <filesystem>
#include <set>
#include <string>

namespace stx {

struct ElfFacts {
  bool position_independent = false;  ///< ET_DYN with an interpreter: PIE
  bool relro = false;                 ///< PT_GNU_RELRO
  bool bind_now = false;              ///< DF_BIND_NOW or DF_1_NOW: with relro, full RELRO
  bool executable_stack = true;       ///< PT_GNU_STACK with PF_X, or no PT_GNU_STACK at all
  std::set<std::string> imports;      ///< undefined dynamic symbols: __stack_chk_fail, __memcpy_chk
  std::set<std::string> libraries;    ///< DT_NEEDED: libc.so.6
};

/// Throws if `path` is not a 64-bit little-endian ELF file.
ElfFacts ReadElfFacts(const std::filesystem::path& path);

}  // namespace stx
