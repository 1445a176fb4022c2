// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/host/elf_facts.h"

#include <elf.h>

#include <cstring>
#include <stdexcept>
#include <string_view>

#include "base/load.h"
#include "base/os.h"

namespace stx {
namespace {

template <typename T>
T At(std::string_view bytes, uint64_t offset) {
  return LoadAt<T>(bytes, offset, "the ELF file");
}

}  // namespace

ElfFacts ReadElfFacts(const std::filesystem::path& path) {
  const std::string bytes = ReadFile(path);
  const std::string_view file = bytes;
  const auto header = At<Elf64_Ehdr>(file, 0);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_ident[EI_DATA] != ELFDATA2LSB)
    throw std::runtime_error(path.string() + ": not a 64-bit little-endian ELF file");
  ElfFacts facts;
  bool interpreter = false;
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    const auto segment = At<Elf64_Phdr>(file, header.e_phoff + i * sizeof(Elf64_Phdr));
    if (segment.p_type == PT_INTERP) interpreter = true;
    if (segment.p_type == PT_GNU_RELRO) facts.relro = true;
    if (segment.p_type == PT_GNU_STACK) facts.executable_stack = segment.p_flags & PF_X;
    if (segment.p_type != PT_DYNAMIC) continue;
    for (uint64_t at = segment.p_offset; at < segment.p_offset + segment.p_filesz;
         at += sizeof(Elf64_Dyn)) {
      const auto entry = At<Elf64_Dyn>(file, at);
      if (entry.d_tag == DT_FLAGS && (entry.d_un.d_val & DF_BIND_NOW)) facts.bind_now = true;
      if (entry.d_tag == DT_FLAGS_1 && (entry.d_un.d_val & DF_1_NOW)) facts.bind_now = true;
    }
  }
  facts.position_independent = header.e_type == ET_DYN && interpreter;
  for (unsigned i = 0; i < header.e_shnum; ++i) {
    const auto section = At<Elf64_Shdr>(file, header.e_shoff + i * sizeof(Elf64_Shdr));
    if (section.sh_type != SHT_DYNAMIC) continue;
    const auto names = At<Elf64_Shdr>(file, header.e_shoff + section.sh_link * sizeof(Elf64_Shdr));
    for (uint64_t at = section.sh_offset; at < section.sh_offset + section.sh_size;
         at += sizeof(Elf64_Dyn)) {
      const auto entry = At<Elf64_Dyn>(file, at);
      if (entry.d_tag == DT_NEEDED)
        facts.libraries.insert(file.data() + names.sh_offset + entry.d_un.d_val);
    }
  }
  for (unsigned i = 0; i < header.e_shnum; ++i) {
    const auto section = At<Elf64_Shdr>(file, header.e_shoff + i * sizeof(Elf64_Shdr));
    if (section.sh_type != SHT_DYNSYM) continue;
    const auto names = At<Elf64_Shdr>(file, header.e_shoff + section.sh_link * sizeof(Elf64_Shdr));
    for (uint64_t at = section.sh_offset; at < section.sh_offset + section.sh_size;
         at += sizeof(Elf64_Sym)) {
      const auto symbol = At<Elf64_Sym>(file, at);
      if (symbol.st_shndx == SHN_UNDEF && symbol.st_name)
        facts.imports.insert(file.data() + names.sh_offset + symbol.st_name);
    }
  }
  return facts;
}

}  // namespace stx
