// SPDX-License-Identifier: GPL-2.0-or-later
// How often a program enters the kernel: run under ptrace(2) to its end, with all its threads and
// children.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace stx {

struct SyscallCount {
  std::map<uint64_t, uint64_t> by_number;  ///< entries by the number of the call
  int exit_code = 0;                       ///< of the program; 128 + the signal that killed it
  uint64_t total() const;
};

/// Runs argv with the descriptors of this process. Throws std::system_error when it cannot be
/// started or traced.
SyscallCount CountSyscalls(const std::vector<std::string>& argv);

}  // namespace stx
