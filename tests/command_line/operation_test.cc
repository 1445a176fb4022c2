// SPDX-License-Identifier: GPL-2.0-or-later
// What Kata does with a pod's QEMU besides starting it: connections, run states, pidfile, ways to
// end it (contract 1.1, 2.1, 2.2).

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <iostream>
#include <set>

#include "base/throws.h"
#include "harness/host/threads.h"
#include "harness/qemu/contract.h"
#include "harness/qemu/migration.h"
#include "kata/pod_variants.h"
#include "kata/tiny_pod.h"

namespace stx {
namespace {

constexpr Milliseconds kWait{20000};

class Operation : public testing::Test {
 protected:
  void SetUp() override {
    if (!machine.missing().empty()) GTEST_SKIP() << machine.missing();
  }
  void TearDown() override {
    if (HasFailure() && started) std::cerr << machine.qemu().Report() << "\n";
  }
  void Start(const std::vector<CommandEdit>& edits = {}, bool unprivileged = false) {
    CommandLine command = machine.Command();
    for (const CommandEdit& edit : edits) edit(command);
    machine.Start(command, unprivileged);
    started = true;
  }
  std::string Status() { return qmp().Execute("query-status")["status"]; }
  Qmp& qmp() { return machine.qmp(); }

  TinyPod machine;
  bool started = false;
};

TEST_F(Operation, TheGreetingHasTheVersionThatKataReads) {
  Covers({"2.1 greeting"});
  Start();
  const json version = qmp().greeting()["version"]["qemu"];
  for (const char* part : {"major", "minor", "micro"})
    EXPECT_TRUE(version[part].is_number_integer()) << part;
  EXPECT_GE(version["major"], 5);
}

TEST_F(Operation, ConnectionsComeOneAfterTheOther) {
  Covers({"2.1 reconnect", "1.1 qmp-listener"});
  Start();
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(Status(), "running") << i;
    machine.qemu().CloseQmp();
  }
}

TEST_F(Operation, AConnectionThatLeavesInTheMiddleOfARequestDisturbsNobody) {
  Covers({"2.1 reconnect"});
  Start();
  qmp();
  machine.qemu().CloseQmp();
  for (const char* part : {"", "{\"execute\":", "{\"execute\":\"qmp_capabilities\"}\n{\"exec"}) {
    UniqueFd half = ConnectUnix(machine.qemu().qmp_socket(), Deadline(kWait));
    WriteAll(half.get(), part);
  }
  EXPECT_EQ(Status(), "running");
}

TEST_F(Operation, ErrorsHaveClassAndSentenceAndTheConnectionGoesOn) {
  Covers({"2.1 errors"});
  Start();
  const auto error_class = [&](const std::string& command, const json& arguments) {
    try {
      qmp().Execute(command, arguments);
    } catch (const QmpError& error) {
      EXPECT_FALSE(error.desc().empty());
      return error.error_class();
    }
    return std::string("none");
  };
  EXPECT_EQ(error_class("no-such-command", nullptr), "CommandNotFound");
  EXPECT_EQ(error_class("device_del", {{"id", "virtio-none"}}), "DeviceNotFound");
  EXPECT_EQ(error_class("device_add", {{"driver", "no-such-device"}}), "GenericError");
  EXPECT_EQ(error_class("query-status", {{"x", 1}}), "GenericError");
  EXPECT_EQ(error_class("qom-get", {{"path", "none"}, {"property", "addr"}}), "DeviceNotFound");
  EXPECT_EQ(Status(), "running");
}

TEST_F(Operation, StopAndContWithTheirEvents) {
  Covers({"2.2 stop-cont", "2.2 query-status"});
  Start();
  EXPECT_EQ(Status(), "running");
  qmp().Execute("stop");
  qmp().WaitEvent("STOP");
  EXPECT_EQ(Status(), "paused");
  qmp().Execute("stop");
  EXPECT_EQ(Status(), "paused");
  qmp().Execute("cont");
  qmp().WaitEvent("RESUME");
  EXPECT_EQ(Status(), "running");
  ASSERT_TRUE(machine.WaitKernel());
}

TEST_F(Operation, AStartWithCapitalSWaitsAsPrelaunch) {
  Covers({"2.2 query-status"});
  Start({Add("-S")});
  EXPECT_EQ(Status(), "prelaunch");
  qmp().Execute("cont");
  EXPECT_EQ(Status(), "running");
  ASSERT_TRUE(machine.WaitKernel());
}

TEST_F(Operation, EachCpuHasAThreadOfItsOwn) {
  Covers({"2.2 query-cpus-fast"});
  Start({Replace("-smp", "-smp 2,cores=1,threads=1,sockets=4,maxcpus=4")});
  const json cpus = qmp().Execute("query-cpus-fast");
  ASSERT_EQ(cpus.size(), 2u);
  std::set<int> threads;
  for (const ThreadInfo& thread : ReadThreads(machine.qemu().process().pid()))
    threads.insert(thread.tid);
  for (size_t i = 0; i < cpus.size(); ++i) {
    EXPECT_EQ(cpus[i]["cpu-index"], i);
    EXPECT_TRUE(threads.contains(cpus[i]["thread-id"])) << cpus[i].dump();
  }
  EXPECT_NE(cpus[0]["thread-id"], cpus[1]["thread-id"]);
}

TEST_F(Operation, ThePidfileIsThereWhenTheMonitorGreets) {
  Covers({"1.1 pidfile"});
  Start();
  qmp();
  EXPECT_EQ(ReadFile(machine.dir() / "pid"), std::to_string(machine.qemu().process().pid()) + "\n");
}

TEST_F(Operation, APidfileThatCannotBeWrittenStopsTheStart) {
  Covers({"1.1 pidfile"});
  Start({Replace("-pidfile", "-pidfile @dir@/none/pid")});
  const auto status = machine.qemu().process().Wait(kWait);
  ASSERT_TRUE(status) << "it starts";
  EXPECT_EQ(status->code, 1);
  EXPECT_NE(machine.qemu().process().Stderr().find("none/pid"), std::string::npos);
}

TEST_F(Operation, SigkillEndsItAndTheSameSocketsServeTheNext) {
  Covers({"2.1 sigkill"});
  for (int i = 0; i < 3; ++i) {
    Start();
    ASSERT_TRUE(machine.WaitKernel());
    const pid_t pid = std::stoi(ReadFile(machine.dir() / "pid"));
    ASSERT_EQ(kill(pid, SIGKILL), 0);
    const auto status = machine.qemu().process().Wait(kWait);
    ASSERT_TRUE(status);
    EXPECT_EQ(status->signal, SIGKILL);
  }
}

TEST_F(Operation, TheHumanMonitorIsThereInDebug) {
  Covers({"1.2 enable_debug"});
  Start({InsertBefore("-m ", "-monitor unix:path=@dir@/hmp.sock,server=on,wait=off")});
  qmp();
  UniqueFd monitor = ConnectUnix(machine.dir() / "hmp.sock", Deadline(kWait));
  WriteAll(monitor.get(), "info name\n");
  std::string said;
  for (Deadline deadline(kWait); said.find("sandbox-test\r\n") == std::string::npos;) {
    ASSERT_TRUE(WaitFor(monitor.get(), POLLIN, deadline)) << said;
    char bytes[4096];
    const ssize_t n = read(monitor.get(), bytes, sizeof(bytes));
    ASSERT_GT(n, 0);
    said.append(bytes, static_cast<size_t>(n));
  }
  EXPECT_EQ(Status(), "running");
}

TEST_F(Operation, AnUnprivilegedUserStartsItToo) {
  Covers({"1.2 rootless"});
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to become somebody else";
  try {
    Start({}, true);
  } catch (const std::system_error& error) {
    GTEST_SKIP() << "an unprivileged user cannot run the binary: " << error.what();
  }
  ASSERT_TRUE(machine.WaitKernel());
  struct stat status {};
  ASSERT_EQ(stat((machine.dir() / "pid").c_str(), &status), 0);
  EXPECT_NE(status.st_uid, 0u);
}

TEST_F(Operation, TheSandboxDeniesTheShellOfAnExecMigration) {
  Covers({"1.2 seccompsandbox"});
  Start({UseSandbox, DropVirtioFs});
  ASSERT_TRUE(machine.WaitKernel());
  const std::filesystem::path state = machine.dir() / "state";
  EXPECT_TRUE(Throws<std::runtime_error>("QMP connection ended", [&] {
    qmp().Execute("migrate", {{"uri", "exec:cat>" + state.string()}});
  }));
  const auto end = machine.qemu().process().Wait(Milliseconds(20000));
  ASSERT_TRUE(end) << "QEMU still runs";
  EXPECT_EQ(end->signal, SIGSYS) << "the kernel kills a process that makes a denied call";
  EXPECT_FALSE(std::filesystem::exists(state));
}

TEST_F(Operation, ASocketPathMayHave107BytesAndATooLongOneIsRefused) {
  Covers({"3 socket-path"});
  const std::string start = machine.dir() / "";
  const std::string longest = start + std::string(107 - start.size(), 's');
  Start({Substitute("-chardev socket,id=charconsole0", start + "console.sock", longest)});
  qmp();
  EXPECT_TRUE(ConnectUnix(longest, Deadline(kWait)));
  Start({Substitute("-chardev socket,id=charconsole0", start + "console.sock", longest + "ss")});
  const auto status = machine.qemu().process().Wait(kWait);
  ASSERT_TRUE(status) << "it starts";
  EXPECT_EQ(status->code, 1);
  EXPECT_NE(machine.qemu().process().Stderr().find("too long"), std::string::npos);
}

}  // namespace
}  // namespace stx
