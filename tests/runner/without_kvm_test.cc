// SPDX-License-Identifier: GPL-2.0-or-later
#include "runner/without_kvm.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "base/process.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

/// Runs in a child, whose namespace ends with it; returns the child's exit code.
int InChild(int (*child)()) {
  const pid_t pid = fork();
  if (pid == 0) _exit(child());
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(HideKvm, TheRestOfDevStays) {
  if (!stx::Run({"unshare", "--mount", "true"}, Milliseconds(5000)).status.Success())
    GTEST_SKIP() << "mounting is not allowed here";
  const bool had = fs::exists("/dev/kvm");
  EXPECT_EQ(InChild([] {
              HideKvm();
              if (fs::exists("/dev/kvm")) return 1;
              if (!fs::is_character_file("/dev/null") || !fs::is_symlink("/dev/stdin")) return 2;
              std::FILE* zero = std::fopen("/dev/zero", "r");
              if (!zero || std::fgetc(zero) != 0) return 3;
              // These must still be the machine's own, because pages of a shared memory file have
              // to be found there.
              return fs::is_directory("/dev/shm") && fs::exists("/dev/pts/ptmx") ? 0 : 4;
            }),
            0);
  EXPECT_EQ(fs::exists("/dev/kvm"), had);
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

}  // namespace
}  // namespace stx
