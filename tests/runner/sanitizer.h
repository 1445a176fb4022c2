// SPDX-License-Identifier: GPL-2.0-or-later
// Reports of AddressSanitizer and UndefinedBehaviorSanitizer from a QEMU under test. Most cases end
// QEMU with SIGKILL and do not read its stderr to the end. AddressSanitizer's reports therefore go
// to files, which are examined after each test program; UBSan's reports end QEMU, which fails its
// case.
#pragma once

#include <string>
#include <vector>

#include "base/os.h"

namespace stx {

class SanitizerReports {
 public:
  SanitizerReports();
  /// NAME=value, for the processes whose reports are to be collected here.
  std::vector<std::string> Environment() const;
  /// AddressSanitizer's reports since the last call, each with its stack; empty if there are none.
  std::string Take();

 private:
  TempDir dir_{"sanitizer"};
};

}  // namespace stx
