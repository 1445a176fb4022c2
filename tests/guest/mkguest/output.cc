// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/mkguest/output.h"

#include "base/os.h"

namespace stx {
namespace fs = std::filesystem;

AtomicOutput::AtomicOutput(fs::path path) : path_(std::move(path)), temporary_(path_) {
  temporary_ += ".tmp";
  WriteFile(temporary_, "");
}

AtomicOutput::~AtomicOutput() {
  std::error_code ignored;
  if (!temporary_.empty()) fs::remove(temporary_, ignored);
}

void AtomicOutput::Write(std::string_view bytes) { WriteFile(temporary_, bytes); }

void AtomicOutput::Commit() {
  fs::rename(temporary_, path_);
  temporary_.clear();
}

}  // namespace stx
