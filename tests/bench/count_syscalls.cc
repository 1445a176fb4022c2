// SPDX-License-Identifier: GPL-2.0-or-later
// count-syscalls FILE PROGRAM [ARGUMENT...]: runs PROGRAM with the descriptors it was given itself,
// and writes into FILE how many system calls that took. Its exit code is PROGRAM's.
#include <cstdio>
#include <exception>

#include "base/os.h"
#include "bench/syscalls.h"

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: count-syscalls FILE PROGRAM [ARGUMENT...]\n");
    return 2;
  }
  try {
    const stx::SyscallCount count = stx::CountSyscalls({argv + 2, argv + argc});
    stx::WriteFile(argv[1], std::to_string(count.total()) + "\n");
    return count.exit_code;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "count-syscalls: %s\n", error.what());
    return 1;
  }
}
