// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/mkguest/kernel_image.h"

#include <archive.h>
#include <archive_entry.h>
#include <elf.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstring>

#include "base/os.h"
#include "base/process.h"

namespace stx {
namespace {

template <typename T>
std::string Raw(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

/// An ELF file with one PT_NOTE that holds a foreign note and a note of `type` with a 4-byte
/// `entry`.
std::string MakeFakeVmlinux(uint32_t type, uint32_t entry) {
  Elf64_Nhdr gnu{4, 4, 18}, xen{4, 4, type};
  std::string notes =
      Raw(gnu) + std::string("GNU\0abcd", 8) + Raw(xen) + std::string("Xen\0", 4) + Raw(entry);
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_machine = EM_X86_64;
  header.e_phoff = sizeof(header);
  header.e_phnum = 2;
  Elf64_Phdr load{}, note{};
  load.p_type = PT_LOAD;
  note.p_type = PT_NOTE;
  note.p_offset = sizeof(header) + sizeof(load) + sizeof(note);
  note.p_filesz = notes.size();
  return Raw(header) + Raw(load) + Raw(note) + notes + std::string(5000, 'k');
}

std::string Gzip(const std::string& bytes) {
  std::string out(bytes.size() + 4096, '\0');
  size_t used = 0;
  archive* writer = archive_write_new();
  archive_write_add_filter_gzip(writer);
  archive_write_set_format_raw(writer);
  archive_write_set_bytes_in_last_block(writer, 1);
  archive_write_open_memory(writer, out.data(), out.size(), &used);
  archive_entry* entry = archive_entry_new();
  archive_entry_set_filetype(entry, S_IFREG);
  archive_write_header(writer, entry);
  archive_write_data(writer, bytes.data(), bytes.size());
  archive_write_close(writer);
  archive_entry_free(entry);
  archive_write_free(writer);
  out.resize(used);
  return out;
}

void Put(std::string* image, size_t at, uint64_t value, size_t width) {
  for (size_t i = 0; i < width; i++) (*image)[at + i] = static_cast<char>(value >> (8 * i));
}

/// Two setup sectors, code that is skipped, the payload, and what follows the payload in a real
/// kernel.
std::string MakeFakeBzImage(const std::string& payload) {
  std::string image(3 * 512 + 100, '\0');
  Put(&image, 0x1f1, 2, 1);
  image.replace(0x202, 4, "HdrS");
  Put(&image, 0x206, 0x20f, 2);
  Put(&image, 0x248, 100, 4);
  Put(&image, 0x24c, payload.size(), 4);
  return image + payload + std::string(64, '\xcc');
}

std::string GetRefusal(const std::string& image) {
  try {
    ExtractVmlinux(image);
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

TEST(KernelImage, PayloadIsDecompressed) {
  std::string elf = MakeFakeVmlinux(18, 0x1000);
  EXPECT_EQ(ExtractVmlinux(MakeFakeBzImage(Gzip(elf))), elf);
}

TEST(KernelImage, LengthBehindAStreamThatHasNoneIsNoPartOfIt) {
  // Linux appends the length for lz4 and similar formats; an uncompressed payload stands for them
  // here.
  std::string elf = MakeFakeVmlinux(18, 0x1000), length(4, '\0');
  Put(&length, 0, elf.size(), 4);
  EXPECT_EQ(ExtractVmlinux(MakeFakeBzImage(elf + length)), elf);
}

TEST(KernelImage, TruncatedOneIsRefusedWithBothLengths) {
  std::string image = MakeFakeBzImage(Gzip(MakeFakeVmlinux(18, 0x1000)));
  std::string want = std::to_string(image.size() - 64), have = std::to_string(image.size() - 65);
  EXPECT_EQ(GetRefusal(image.substr(0, image.size() - 65)),
            "the bzImage is truncated: its payload ends at byte " + want + ", the file at " + have);
  EXPECT_NE(GetRefusal(image.substr(0, 600)).find("truncated"), std::string::npos);
  EXPECT_NE(GetRefusal(image.substr(0, 300)), "");
}

TEST(KernelImage, DamagedPayloadIsRefused) {
  std::string payload = Gzip(MakeFakeVmlinux(18, 0x1000));
  payload[payload.size() / 2] ^= 0x55;
  EXPECT_NE(GetRefusal(MakeFakeBzImage(payload)), "");
}

TEST(KernelImage, OtherFilesAreRefused) {
  EXPECT_NE(GetRefusal(std::string(4096, 'x')).find("not a bzImage"), std::string::npos);
  EXPECT_NE(GetRefusal("").find("not a bzImage"), std::string::npos);
}

TEST(KernelImage, PvhEntryIsXensNoteOfType18) {
  EXPECT_EQ(FindPvhEntry(MakeFakeVmlinux(18, 0x1000420)), 0x1000420u);
}

TEST(KernelImage, KernelWithoutPvhIsRefused) {
  try {
    FindPvhEntry(MakeFakeVmlinux(17, 0x1000420));
    FAIL() << "accepted";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("CONFIG_PVH"), std::string::npos);
  }
  EXPECT_THROW(FindPvhEntry("MZ"), std::runtime_error);
  EXPECT_THROW(FindPvhEntry(MakeFakeVmlinux(18, 1).substr(0, 190)), std::runtime_error);
}

TEST(KernelImage, ToolLeavesNothingOfAFailedRun) {
  TempDir dir;
  std::string image = MakeFakeBzImage(Gzip(MakeFakeVmlinux(17, 0)));
  WriteFile(dir / "vmlinuz", image);
  WriteFile(dir / "out", "what was there");
  RunResult run =
      stx::Run({EnvOr("MKGUEST", ""), "vmlinux", "--kernel", dir / "vmlinuz", "-o", dir / "out"},
               Milliseconds(10000));
  EXPECT_EQ(run.status.code, 1);
  EXPECT_NE(run.err.find("/vmlinuz: vmlinux has no PVH entry"), std::string::npos) << run.err;
  EXPECT_EQ(ReadFile(dir / "out"), "what was there");
  EXPECT_FALSE(std::filesystem::exists(dir / "out.tmp"));
}

}  // namespace
}  // namespace stx
