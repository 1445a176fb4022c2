// SPDX-License-Identifier: GPL-2.0-or-later
// What AddressSanitizer and UndefinedBehaviorSanitizer of a QEMU under test say. Most cases end
// QEMU by SIGKILL and do not read its stderr to the end: the former's reports go to files, which
// are looked at after each test program; the latter's end QEMU, which fails its case.
#pragma once

#include <string>
#include <vector>

#include "base/os.h"

namespace stx {

class SanitizerReports {
 public:
  SanitizerReports();
  /// NAME=value, for the processes whose reports are to come here.
  std::vector<std::string> Environment() const;
  /// AddressSanitizer's reports since the last call, each with its stack; empty without any.
  std::string Take();

 private:
  TempDir dir_{"sanitizer"};
};

}  // namespace stx
