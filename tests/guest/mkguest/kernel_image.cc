// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/mkguest/kernel_image.h"

#include <archive.h>
#include <archive_entry.h>
#include <elf.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>

#include "base/load.h"

namespace stx {

namespace {

// Offsets in the setup header (Documentation/x86/boot.rst of the kernel).
constexpr size_t kSetupSects = 0x1f1, kMagic = 0x202, kVersion = 0x206, kPayloadOffset = 0x248,
                 kPayloadLength = 0x24c, kHeaderEnd = 0x250;
constexpr uint32_t kPhys32Entry = 18;

template <typename T>
T At(std::string_view bytes, uint64_t offset) {
  return LoadAt<T>(bytes, offset, "vmlinux");
}

std::string Decompress(std::string_view payload) {
  std::unique_ptr<archive, int (*)(archive*)> reader(archive_read_new(), archive_read_free);
  archive_entry* entry = nullptr;
  archive_read_support_filter_all(reader.get());
  archive_read_support_format_raw(reader.get());
  auto fail = [&](int) -> std::string {
    throw std::runtime_error(std::string("cannot decompress the kernel: ") +
                             archive_error_string(reader.get()));
  };
  if (archive_read_open_memory(reader.get(), payload.data(), payload.size()) != ARCHIVE_OK ||
      archive_read_next_header(reader.get(), &entry) != ARCHIVE_OK)
    return fail(0);
  std::string elf, chunk(1 << 20, '\0');
  for (;;) {
    la_ssize_t n = archive_read_data(reader.get(), chunk.data(), chunk.size());
    if (n < 0) return fail(0);
    if (n == 0) return elf;
    elf.append(chunk.data(), static_cast<size_t>(n));
  }
}

}  // namespace

std::string ExtractVmlinux(std::string_view bzimage) {
  if (bzimage.size() < kHeaderEnd || bzimage.substr(kMagic, 4) != "HdrS")
    throw std::runtime_error("not a bzImage: the setup header's magic is missing");
  if (At<uint16_t>(bzimage, kVersion) < 0x208)
    throw std::runtime_error("the bzImage's setup header is older than 2.08 and names no payload");
  size_t sectors = static_cast<uint8_t>(bzimage[kSetupSects]);
  uint64_t start =
      ((sectors ? sectors : 4) + 1) * 512 + uint64_t{At<uint32_t>(bzimage, kPayloadOffset)};
  uint64_t length = At<uint32_t>(bzimage, kPayloadLength);
  if (length < 8 || start + length > bzimage.size())
    throw std::runtime_error("the bzImage is truncated: its payload ends at byte " +
                             std::to_string(start + length) + ", the file at " +
                             std::to_string(bzimage.size()));
  // The kernel's build appends the uncompressed length to the stream (for gzip, the stream itself
  // ends with it).
  std::string_view payload = bzimage.substr(start, length);
  uint32_t want = At<uint32_t>(payload, length - 4);
  bool gzip = payload.substr(0, 2) == "\x1f\x8b";
  std::string elf = Decompress(gzip ? payload : payload.substr(0, length - 4));
  if (elf.size() != want)
    throw std::runtime_error("the bzImage is damaged: " + std::to_string(elf.size()) +
                             " bytes decompressed, " + std::to_string(want) + " expected");
  return elf;
}

uint32_t FindPvhEntry(std::string_view elf) {
  if (elf.substr(0, SELFMAG) != ELFMAG) throw std::runtime_error("vmlinux is no ELF file");
  auto header = At<Elf64_Ehdr>(elf, 0);
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != EM_X86_64)
    throw std::runtime_error("vmlinux is not for x86-64");
  for (uint64_t i = 0; i < header.e_phnum; i++) {
    auto segment = At<Elf64_Phdr>(elf, header.e_phoff + i * sizeof(Elf64_Phdr));
    if (segment.p_type != PT_NOTE) continue;
    uint64_t end = segment.p_offset + segment.p_filesz;
    for (uint64_t at = segment.p_offset; at + sizeof(Elf64_Nhdr) <= end;) {
      auto note = At<Elf64_Nhdr>(elf, at);
      uint64_t name = at + sizeof(Elf64_Nhdr);
      uint64_t desc = name + (note.n_namesz + 3) / 4 * 4;
      if (note.n_type == kPhys32Entry && elf.substr(name, 3) == "Xen")
        return At<uint32_t>(elf, desc);
      at = desc + (note.n_descsz + 3) / 4 * 4;
    }
  }
  throw std::runtime_error(
      "vmlinux has no PVH entry (ELF note XEN_ELFNOTE_PHYS32_ENTRY); QEMU cannot boot it. "
      "Was the kernel built without CONFIG_PVH?");
}

}  // namespace stx
