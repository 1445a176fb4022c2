// SPDX-License-Identifier: GPL-2.0-or-later
#include "runner/sanitizer.h"

namespace stx {

namespace fs = std::filesystem;

namespace {

// Reports about the base that are tolerated, as "check:part of a file name" lines. This code reads
// an ELF note of a PVH kernel at its offset in the file, which x86 allows.
constexpr const char* kSuppressions = "alignment:hw/i386/x86.c\nalignment:hw/elf_ops.h\n";

}  // namespace

SanitizerReports::SanitizerReports() {
  fs::create_directory(dir_ / "asan");
  // Some cases run QEMU as another user.
  fs::permissions(dir_.path(), fs::perms(0755));
  fs::permissions(dir_ / "asan", fs::perms(0777));
  WriteFile(dir_ / "suppressions", kSuppressions);
}

std::vector<std::string> SanitizerReports::Environment() const {
  // Leaks are not checked: QEMU frees little when it exits, and most cases do not let it exit. In
  // addition to AddressSanitizer, UBSan aborts QEMU, because it can only write to stderr, which not
  // every case reads.
  return {"ASAN_OPTIONS=detect_leaks=0:log_path=" + (dir_ / "asan/report").string(),
          "UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1:suppressions=" +
              (dir_ / "suppressions").string()};
}

std::string SanitizerReports::Take() {
  std::string reports;
  for (const auto& entry : fs::directory_iterator(dir_ / "asan")) {
    const std::string text = ReadFile(entry.path());
    fs::remove(entry.path());
    // Other files hold only a warning, because QEMU's coroutines switch stacks.
    if (text.find("ERROR: AddressSanitizer") != std::string::npos) reports += text;
  }
  return reports;
}

}  // namespace stx
