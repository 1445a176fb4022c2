// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/guest_code/tiny_kernel.h"
#include "harness/guest_code/guest_code.h"

#include <elf.h>

#include <cstring>

#include "base/load.h"
#include "base/waiting.h"

DECLARE_GUEST_CODE(pvh_start);
DECLARE_GUEST_CODE(pvh_counts);
DECLARE_GUEST_CODE(pvh_halts);
DECLARE_GUEST_CODE(setup_start);

namespace stx {
namespace {

// Memory that is free in both boot protocols: a mark, then an address (PVH: struct hvm_start_info;
// bzImage: the command line).
constexpr uint64_t kReport = 0x500;
constexpr char kVmlinuxMark[] = "PVH!", kBzImageMark[] = "BZI!";
constexpr uint32_t kEntry = 0x100000;

std::string Bytes(const void* data, size_t size) { return {static_cast<const char*>(data), size}; }

/// Reads up to the NUL.
std::string ReadText(Qmp& qmp, uint64_t address, const std::filesystem::path& scratch) {
  return ReadGuestMemory(qmp, address, 4096, scratch).c_str();
}

}  // namespace

void WriteTinyVmlinux(const std::filesystem::path& path, bool counts) {
  std::string code(GUEST_CODE(pvh_start));
  code += counts ? GUEST_CODE(pvh_counts) : GUEST_CODE(pvh_halts);
  // XEN_ELFNOTE_PHYS32_ENTRY (18): the entry point, in 32-bit mode without paging; EBX holds the
  // start info.
  const uint32_t entry = kEntry;
  const Elf64_Nhdr note{4, 4, 18};
  std::string notes = Bytes(&note, sizeof(note)) + std::string("Xen\0", 4) + Bytes(&entry, 4);
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_EXEC;
  header.e_machine = EM_X86_64;
  header.e_version = EV_CURRENT;
  header.e_entry = kEntry;
  header.e_phoff = sizeof(header);
  header.e_ehsize = sizeof(header);
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = 2;
  const uint64_t code_at = 0x1000, notes_at = code_at + code.size();
  Elf64_Phdr load{PT_LOAD, PF_R | PF_X, code_at, kEntry, kEntry, code.size(), code.size(), 0x1000};
  Elf64_Phdr about{PT_NOTE, PF_R, notes_at, 0, 0, notes.size(), notes.size(), 4};
  std::string file =
      Bytes(&header, sizeof(header)) + Bytes(&load, sizeof(load)) + Bytes(&about, sizeof(about));
  file.resize(code_at);
  WriteFile(path, file + code + notes);
}

void WriteTinyBzImage(const std::filesystem::path& path) {
  // Documentation/x86/boot.rst: the boot sector, one sector of setup code, and the protected-mode
  // part, which is never entered.
  std::string image(3 * 512, '\0');
  image[0x1f1] = 1;                                         // setup_sects
  image.replace(0x1fe, 2, "\x55\xaa");                      // boot_flag
  image.replace(0x200, 2, "\xeb\x66");                      // jump over the header
  image.replace(0x202, 4, "HdrS");                          //
  image.replace(0x206, 2, std::string("\x06\x02", 2));      // version 2.06
  image[0x211] = 1;                                         // loadflags: LOADED_HIGH
  image.replace(0x214, 4, std::string("\0\0\x10\0", 4));    // code32_start
  image.replace(0x22c, 4, "\xff\xff\xff\x37");              // initrd_addr_max
  image.replace(0x238, 4, std::string("\xff\x07\0\0", 4));  // cmdline_size
  const std::string_view code = GUEST_CODE(setup_start);
  image.replace(0x268, code.size(), code);
  WriteFile(path, image);
}

std::string ReadGuestMemory(Qmp& qmp, uint64_t address, uint64_t size,
                            const std::filesystem::path& scratch) {
  qmp.Execute("pmemsave", {{"val", address}, {"size", size}, {"filename", scratch.string()}});
  return ReadFile(scratch);
}

std::optional<TinyKernelReport> WaitTinyKernel(Qmp& qmp, const std::filesystem::path& scratch,
                                               Milliseconds timeout) {
  std::string report;
  const bool reached = HoldsBefore(Deadline(timeout), [&] {
    report = ReadGuestMemory(qmp, kReport, 8, scratch);
    return report.starts_with(kBzImageMark) || report.starts_with(kVmlinuxMark);
  });
  if (!reached) return std::nullopt;
  const auto given = LoadAt<uint32_t>(report, 4, "the report");
  TinyKernelReport result;
  if (report.starts_with(kBzImageMark)) {
    result.command_line = ReadText(qmp, given, scratch);
    return result;
  }
  // struct hvm_start_info: magic, version, flags, nr_modules, then 64-bit modlist, cmdline, rsdp;
  // struct hvm_modlist_entry: address, size.
  const std::string info = ReadGuestMemory(qmp, given, 40, scratch);
  result.command_line = ReadText(qmp, LoadAt<uint64_t>(info, 24, "cmdline"), scratch);
  result.rsdp = LoadAt<uint64_t>(info, 32, "rsdp");
  if (LoadAt<uint32_t>(info, 12, "nr_modules") > 0) {
    const std::string module =
        ReadGuestMemory(qmp, LoadAt<uint64_t>(info, 16, "modlist"), 16, scratch);
    result.initrd = LoadAt<uint64_t>(module, 0, "module");
    result.initrd_size = LoadAt<uint64_t>(module, 8, "module");
  }
  return result;
}

}  // namespace stx
