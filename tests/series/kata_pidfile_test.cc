// SPDX-License-Identifier: GPL-2.0-or-later
// patches/kata/pidfile-stays.patch: what QEMU leaves in its pidfile with the profile kata
// (KataPidfile) and with any other profile (HostPidfile). tests/series/meson.build makes each case
// judge its profile.

#include <gtest/gtest.h>
#include <signal.h>

#include <cerrno>

#include "harness/qemu/qemu.h"

namespace stx {
namespace {

class Pidfile : public testing::Test {
 protected:
  /// Starts QEMU and ends it with `end`; returns its process id.
  pid_t RunToItsEnd(void (*end)(Qemu&)) {
    QemuOptions options;
    options.args = {"-machine", "none",     "-nodefaults",   "-nographic",
                    "-S",       "-pidfile", pidfile.string()};
    Qemu qemu(std::move(options));
    qemu.qmp();
    const pid_t pid = qemu.process().pid();
    EXPECT_EQ(std::stol(ReadFile(pidfile)), pid);
    end(qemu);
    EXPECT_TRUE(qemu.process().Wait(Milliseconds(20000)).has_value());
    return pid;
  }

  TempDir dir;
  const std::filesystem::path pidfile = dir / "pid";
};
class KataPidfile : public Pidfile {};
class HostPidfile : public Pidfile {};

void Terminate(Qemu& qemu) { qemu.process().Signal(SIGTERM); }
void Quit(Qemu& qemu) { qemu.qmp().Execute("quit"); }

TEST_F(KataPidfile, NamesNoProcessOnceItsOwnHasEnded) {
  for (void (*end)(Qemu&) : {Terminate, Quit}) {
    const pid_t pid = RunToItsEnd(end);
    // Kata reads a number that kill(2) takes for one process, and for one that cannot exist.
    ASSERT_TRUE(std::filesystem::exists(pidfile)) << "Kata would signal its own process group";
    const long left = std::stol(ReadFile(pidfile));
    EXPECT_NE(left, pid) << "which may soon be another process";
    EXPECT_GT(left, 4 << 20) << "which can be a process (PID_MAX_LIMIT)";
    EXPECT_EQ(kill(static_cast<pid_t>(left), SIGKILL), -1);
    EXPECT_EQ(errno, ESRCH);
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 1)
        << "more than the pidfile is left";
  }
}

TEST_F(HostPidfile, IsRemovedAtTheEnd) {
  for (void (*end)(Qemu&) : {Terminate, Quit}) {
    RunToItsEnd(end);
    EXPECT_FALSE(std::filesystem::exists(pidfile));
  }
}

}  // namespace
}  // namespace stx
