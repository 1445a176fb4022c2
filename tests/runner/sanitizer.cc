// SPDX-License-Identifier: GPL-2.0-or-later
#include "runner/sanitizer.h"

namespace stx {

namespace fs = std::filesystem;

namespace {

// What of the base is let pass, "check:part of a file's name" a line.
// They read an ELF note of a PVH kernel where its file has it; x86 may.
constexpr const char* kSuppressions = "alignment:hw/i386/x86.c\nalignment:hw/elf_ops.h\n";

}  // namespace

SanitizerReports::SanitizerReports() {
  fs::create_directory(dir_ / "asan");
  // Some cases run QEMU as somebody else.
  fs::permissions(dir_.path(), fs::perms(0755));
  fs::permissions(dir_ / "asan", fs::perms(0777));
  WriteFile(dir_ / "suppressions", kSuppressions);
}

std::vector<std::string> SanitizerReports::Environment() const {
  // Leaks are not looked for: QEMU frees little at its end, and most cases leave it none. Beside
  // AddressSanitizer, UBSan writes to stderr only, which not every case reads: it ends QEMU.
  return {"ASAN_OPTIONS=detect_leaks=0:log_path=" + (dir_ / "asan/report").string(),
          "UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1:suppressions=" +
              (dir_ / "suppressions").string()};
}

std::string SanitizerReports::Take() {
  std::string reports;
  for (const auto& entry : fs::directory_iterator(dir_ / "asan")) {
    const std::string text = ReadFile(entry.path());
    fs::remove(entry.path());
    // Others hold only a warning: QEMU's coroutines switch stacks.
    if (text.find("ERROR: AddressSanitizer") != std::string::npos) reports += text;
  }
  return reports;
}

}  // namespace stx
