// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench/syscalls.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <system_error>

#include "base/throws.h"

namespace stx {
namespace {

TEST(Syscalls, EntriesOfAllChildrenAreCounted) {
  // The shell calls getppid for nobody; `kill -0` is its own, and each subshell's.
  const SyscallCount one = CountSyscalls({"/bin/sh", "-c", "kill -0 $$"});
  EXPECT_EQ(one.exit_code, 0);
  EXPECT_EQ(one.by_number.at(SYS_kill), 1u);
  EXPECT_EQ(one.by_number.at(SYS_exit_group), 1u);
  const SyscallCount three =
      CountSyscalls({"/bin/sh", "-c", "kill -0 $$; (kill -0 $$); (kill -0 $$) & wait"});
  EXPECT_EQ(three.by_number.at(SYS_kill), 3u);
  EXPECT_EQ(three.by_number.at(SYS_exit_group), 3u);
  EXPECT_GT(three.total(), one.total());
}

TEST(Syscalls, TheProgramEndsAsItWouldAlone) {
  EXPECT_EQ(CountSyscalls({"/bin/sh", "-c", "exit 7"}).exit_code, 7);
  EXPECT_EQ(CountSyscalls({"/bin/sh", "-c", "kill -TERM $$"}).exit_code, 128 + 15);
  EXPECT_EQ(CountSyscalls({"/bin/sh", "-c", "trap 'exit 3' USR1; kill -USR1 $$; exit 4"}).exit_code,
            3)
      << "its own signals reach it";
  EXPECT_TRUE(Throws<std::system_error>("cannot trace /none", [] { CountSyscalls({"/none"}); }));
}

}  // namespace
}  // namespace stx
