#include "runner/sanitizer.h"

namespace stx {

namespace fs = std::filesystem;

std::vector<std::string> SanitizerReports::Environment() const {
  // Leaks are not looked for: QEMU frees little at its end, and most cases leave it none.
  return {"ASAN_OPTIONS=detect_leaks=0:log_path=" + (dir_ / "asan").string(),
          "UBSAN_OPTIONS=print_stacktrace=1:log_path=" + (dir_ / "ubsan").string()};
}

std::string SanitizerReports::Take() {
  std::string reports;
  for (const auto& entry : fs::directory_iterator(dir_.path())) {
    const std::string text = ReadFile(entry.path());
    fs::remove(entry.path());
    // Files without either hold only a warning: QEMU's coroutines switch stacks.
    if (text.find("ERROR: AddressSanitizer") != std::string::npos ||
        text.find("runtime error:") != std::string::npos)
      reports += text;
  }
  return reports;
}

}  // namespace stx
