// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/throws.h"

namespace stx {
namespace {

constexpr Milliseconds kLong{20000};

bool GiveUp() {
  errno = EACCES;
  return false;
}

TEST(Process, DescriptorsHaveTheNumbersThatInheritReturned) {
  TempDir dir;
  WriteFile(dir / "a", "first");
  WriteFile(dir / "b", "second");
  // Passed in reverse order, with numbers that overlap those of the child.
  UniqueFd a(open((dir / "a").c_str(), O_RDONLY | O_CLOEXEC)),
      b(open((dir / "b").c_str(), O_RDONLY | O_CLOEXEC));
  SpawnOptions options;
  EXPECT_EQ(options.Inherit(b.get()), 3);
  EXPECT_EQ(options.Inherit(a.get()), 4);
  EXPECT_EQ(stx::Run({"sh", "-c", "cat <&3; echo; cat <&4"}, kLong, options).out, "second\nfirst");
}

TEST(Process, NothingElseIsInherited) {
  TempDir dir;
  UniqueFd open_here(open(dir.path().c_str(), O_RDONLY));  // without O_CLOEXEC
  SpawnOptions options;
  const int fd = options.Inherit(open_here.get());
  const RunResult result =
      stx::Run({"sh", "-c", "ls /proc/$$/fd; readlink /proc/$$/fd/0"}, kLong, options);
  EXPECT_EQ(result.out, "0\n1\n2\n" + std::to_string(fd) + "\n/dev/null\n");
}

TEST(Process, AProgramThatIsNotThereIsNamed) {
  EXPECT_TRUE(Throws<std::system_error>("cannot start /none/such: No such file",
                                        [] { Process({"/none/such"}, {}); }));
}

TEST(Process, WhatRunsBeforeExecCanGiveUp) {
  SpawnOptions options;
  options.before_exec = GiveUp;
  EXPECT_TRUE(Throws<std::system_error>("cannot start true: Permission denied",
                                        [&] { Process({"true"}, options); }));
}

TEST(Process, StatusIsACodeOrASignal) {
  EXPECT_TRUE(stx::Run({"true"}, kLong).status.Success());
  const ExitStatus code = stx::Run({"sh", "-c", "exit 3"}, kLong).status;
  EXPECT_EQ(code.code, 3);
  EXPECT_EQ(code.ToString(), "exit code 3");
  const ExitStatus killed = stx::Run({"sh", "-c", "kill -9 $$"}, kLong).status;
  EXPECT_FALSE(killed.Success());
  EXPECT_EQ(killed.ToString(), "killed by signal 9");
}

TEST(Process, StderrIsThereWhileItRunsAndAfterItsEnd) {
  Process process({"sh", "-c", "echo early >&2; read line <&3; echo late >&2"}, [] {
    SpawnOptions options;
    static int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    options.Inherit(ends[0]);
    WriteAll(ends[1], "go\n");
    return options;
  }());
  ASSERT_TRUE(process.Wait(kLong));
  EXPECT_EQ(process.Stderr(), "early\nlate\n");
}

TEST(Process, WaitReturnsNothingAtItsDeadlineAndTheStatusAfterwards) {
  Process process({"sleep", "1000"}, {});
  EXPECT_FALSE(process.Wait(Milliseconds(1)));
  EXPECT_TRUE(process.Running());
  process.Signal(SIGTERM);
  const auto status = process.Wait(kLong);
  ASSERT_TRUE(status);
  EXPECT_EQ(status->signal, SIGTERM);
  EXPECT_FALSE(process.Running());
  EXPECT_EQ(process.Wait(Milliseconds(0))->signal, SIGTERM) << "it is kept";
}

TEST(Process, EndsWithItsObjectAndIsReaped) {
  pid_t pid = 0;
  {
    Process process({"sleep", "1000"}, {});
    pid = process.pid();
    Process moved(std::move(process));
    EXPECT_EQ(moved.pid(), pid);
    EXPECT_TRUE(moved.Running());
  }
  EXPECT_EQ(kill(pid, 0), -1);
  EXPECT_EQ(errno, ESRCH);
}

TEST(Process, ALimitAndAnEnvironmentAreTheChilds) {
  SpawnOptions options;
  options.memlock_limit = 65536;
  options.environment = {"STX_PROBE=seen"};
  EXPECT_EQ(stx::Run({"sh", "-c", "ulimit -l; echo $STX_PROBE"}, kLong, options).out, "64\nseen\n");
}

TEST(Run, ATimeoutAndAFailureSayWhatWasSaid) {
  EXPECT_TRUE(Throws<std::runtime_error>("still runs after 200 ms; stderr: here", [] {
    stx::Run({"sh", "-c", "echo here >&2; exec sleep 1000"}, Milliseconds(200));
  }));
  EXPECT_TRUE(Throws<std::runtime_error>("the step: exit code 1\nout\nerr", [] {
    RunWell({"sh", "-c", "echo out; echo err >&2; exit 1"}, "the step", kLong);
  }));
}

TEST(SplitStderr, WarningsAreWhatKataTakesForWarnings) {
  const StderrLines lines = SplitStderr(
      "qemu: warning: one\nwarning: of nobody\nqemu: -device x: no\na:b: warning: two\n");
  EXPECT_EQ(lines.warnings, std::vector<std::string>{"qemu: warning: one"});
  EXPECT_EQ(lines.errors, (std::vector<std::string>{"warning: of nobody", "qemu: -device x: no",
                                                    "a:b: warning: two"}));
}

}  // namespace
}  // namespace stx
