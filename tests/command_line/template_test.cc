// SPDX-License-Identifier: GPL-2.0-or-later
// VM templates as Kata makes and uses them (contract 1.2, 2.2): a pod whose RAM is a file is saved
// without that RAM, and clones map the file privately and go on from there.

#include <gtest/gtest.h>

#include <fstream>
#include <iostream>
#include <memory>
#include <thread>

#include "base/load.h"
#include "command_line/pod_machine.h"
#include "harness/qemu/contract.h"
#include "harness/qemu/migration.h"

namespace stx {
namespace {

class Template : public testing::Test {
 protected:
  void SetUp() override {
    if (!creator.missing().empty()) GTEST_SKIP() << creator.missing();
    WriteTinyVmlinux(dir / "vmlinux", true);
  }

  /// Initrd and no virtio-fs; no NIC, which is hot-plugged later.
  KataCommand Command() {
    KataCommand command = KataCommand::Q35();
    command.Substitute("-machine", ",nvdimm=on", "");
    for (const char* start :
         {"-device nvdimm", "-object memory-backend-file,id=mem0", "-chardev socket,id=char-fs",
          "-device vhost-user-fs", "-netdev", "-device driver=virtio-net"})
      command.Drop(start);
    command.Replace("-kernel", "-kernel " + (dir / "vmlinux").string());
    command.Before("-append", "-initrd @initrd@");
    command.Replace(
        "-object memory-backend-file,id=dimm1",
        "-object memory-backend-file,id=dimm1,size=2048M,mem-path=" + memory() + ",share=on");
    return command;
  }
  KataCommand CloneCommand() {
    KataCommand command = Command();
    command.Substitute("-object memory-backend-file,id=dimm1", ",share=on", "");
    command.Add("-S");
    command.Add("-incoming defer");
    return command;
  }
  std::string memory() { return dir / "memory"; }
  std::string state() { return dir / "state"; }

  static uint32_t Counter(PodMachine& machine) {
    return LoadAt<uint32_t>(
        ReadGuestMemory(machine.qmp(), kTinyKernelCounter, 4, machine.dir() / "scratch"), 0,
        "the counter");
  }
  /// Where firmware and kernel are.
  std::string StartOfMemory() {
    std::string bytes(16 << 20, '\0');
    std::ifstream(memory(), std::ios::binary).read(bytes.data(), 16 << 20);
    return bytes;
  }
  /// Polled every 100 ms as Kata does.
  static std::string Poll(Qmp& qmp) {
    for (const Deadline deadline(Milliseconds(20000)); !deadline.Passed();
         std::this_thread::sleep_for(Milliseconds(100))) {
      const std::string status = qmp.Execute("query-migrate").value("status", "");
      if (status == "completed" || status == "failed") return status;
    }
    return "no end";
  }

  /// Leaves memory() and state(); returns where the guest had counted to.
  uint32_t Create() {
    creator.Start(Command());
    if (!creator.WaitKernel()) throw std::runtime_error("no kernel\n" + creator.qemu().Report());
    while (Counter(creator) == 0) std::this_thread::sleep_for(Milliseconds(1));
    creator.qmp().Execute("stop");
    const uint32_t counted = Counter(creator);
    SetMigrationCapability(creator.qmp(), "x-ignore-shared");
    creator.qmp().Execute("migrate", {{"uri", "exec:cat>" + state()}});
    EXPECT_EQ(Poll(creator.qmp()), "completed");
    creator.qemu().process().Kill();
    return counted;
  }
  void Clone(PodMachine& machine) {
    machine.Start(CloneCommand());
    SetMigrationCapability(machine.qmp(), "x-ignore-shared");
    machine.qmp().Execute("migrate-incoming", {{"uri", "exec:cat " + state()}});
    EXPECT_EQ(Poll(machine.qmp()), "completed") << machine.qemu().Report();
  }
  static void ExpectCounts(PodMachine& machine, uint32_t from) {
    machine.qmp().Execute("cont");
    for (const Deadline deadline(Milliseconds(20000)); Counter(machine) <= from;)
      ASSERT_FALSE(deadline.Passed()) << "the clone does not go on";
  }

  TempDir dir{"template"};
  PodMachine creator;
};

TEST_F(Template, IsSavedWithoutItsMemory) {
  Covers({"1.2 template-create", "2.2 template-save"});
  Create();
  EXPECT_EQ(std::filesystem::file_size(memory()), 2048ULL << 20);
  EXPECT_LT(std::filesystem::file_size(state()), 4u << 20) << "the RAM is in the state";
  EXPECT_GT(std::filesystem::file_size(state()), 10u << 10);
}

TEST_F(Template, ACloneGoesOnWhereItWasAndKeepsItsWritesToItself) {
  Covers({"1.2 template-clone", "2.2 template-clone"});
  const uint32_t counted = Create();
  const std::string before = StartOfMemory();
  PodMachine clone;
  Clone(clone);
  EXPECT_EQ(clone.qmp().Execute("query-status")["status"], "paused");
  EXPECT_EQ(Counter(clone), counted);
  const auto kernel = clone.WaitKernel();
  ASSERT_TRUE(kernel);
  EXPECT_EQ(ReadGuestMemory(clone.qmp(), kernel->initrd, 12345, clone.dir() / "scratch"),
            std::string(12345, 'r'));
  ExpectCounts(clone, counted);
  clone.qmp().Execute("stop");
  EXPECT_TRUE(StartOfMemory() == before) << "the template has changed";
}

TEST_F(Template, TwentyClonesAtOnceGoTheirOwnWays) {
  Covers({"2.2 template-clone"});
  const uint32_t counted = Create();
  std::vector<std::unique_ptr<PodMachine>> clones;
  for (int i = 0; i < 20; ++i) {
    clones.push_back(std::make_unique<PodMachine>());
    Clone(*clones.back());
    EXPECT_EQ(Counter(*clones.back()), counted) << i;
  }
  for (size_t i = 0; i < clones.size(); ++i) {
    ExpectCounts(*clones[i], counted);
    clones[i]->qmp().Execute("stop");
  }
  // The first has not run since the others did.
  const uint32_t first = Counter(*clones[0]);
  ExpectCounts(*clones[19], Counter(*clones[19]));
  EXPECT_EQ(Counter(*clones[0]), first);
}

TEST_F(Template, ACloneTakesItsNetworkAfterwards) {
  Covers({"1.2 template-clone", "2.2 nic-add"});
  const uint32_t counted = Create();
  PodMachine clone;
  Clone(clone);
  ExpectCounts(clone, counted);
  Qmp& qmp = clone.qmp();
  qmp.ExecuteWithFd("getfd", {{"fdname", "fd0"}}, clone.tap_fd());
  qmp.Execute("netdev_add", {{"type", "tap"}, {"id", "tap0_kata"}, {"fds", "fd0"}});
  qmp.Execute("device_add", {{"driver", "virtio-net-pci"},
                             {"id", "virtio-nic"},
                             {"netdev", "tap0_kata"},
                             {"mac", "02:00:ca:fe:00:01"},
                             {"bus", "pci-bridge-0"},
                             {"addr", "01"},
                             {"mq", "on"},
                             {"vectors", 4},
                             {"romfile", ""}});
  EXPECT_EQ(qmp.Execute("qom-get", {{"path", "virtio-nic"}, {"property", "addr"}}), 1 << 3);
}

TEST_F(Template, AStateThatIsCutShortIsRefusedAndLeavesTheOthersAlone) {
  Covers({"2.2 template-clone", "2.1 errors"});
  const uint32_t counted = Create();
  const std::string whole = ReadFile(state());
  WriteFile(state(), whole.substr(0, whole.size() / 2));
  PodMachine broken;
  broken.Start(CloneCommand());
  SetMigrationCapability(broken.qmp(), "x-ignore-shared");
  std::string end;
  try {
    broken.qmp().Execute("migrate-incoming", {{"uri", "exec:cat " + state()}});
    end = Poll(broken.qmp());
  } catch (const std::exception&) {
    // A target that cannot load its state ends.
    const auto status = broken.qemu().process().Wait(Milliseconds(20000));
    ASSERT_TRUE(status);
    EXPECT_EQ(status->code, 1);
    end = "failed";
  }
  EXPECT_EQ(end, "failed");
  WriteFile(state(), whole);
  PodMachine clone;
  Clone(clone);
  EXPECT_EQ(Counter(clone), counted);
}

}  // namespace
}  // namespace stx
