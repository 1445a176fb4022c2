// SPDX-License-Identifier: GPL-2.0-or-later
// VM templates as Kata makes and uses them (contract 1.2, 2.2): a pod whose RAM is a file is saved
// without that RAM, and clones map the file privately and continue from there.

#include <gtest/gtest.h>

#include <fstream>
#include <iostream>
#include <memory>

#include "base/load.h"
#include "base/waiting.h"
#include "harness/qemu/contract.h"
#include "kata/pod_variants.h"
#include "kata/qmp_calls.h"
#include "kata/tiny_pod.h"

namespace stx {
namespace {

constexpr Milliseconds kWait{20000};

class Template : public testing::Test {
 protected:
  void SetUp() override {
    if (!creator.missing().empty()) GTEST_SKIP() << creator.missing();
    WriteTinyVmlinux(dir / "vmlinux", true);
  }

  /// An initrd, no virtio-fs, and no NIC, which is hot-plugged later.
  CommandLine MakeCommand(const TinyPod& machine, const CommandEdit& memory_edit) {
    CommandLine command = machine.Command();
    for (const CommandEdit& edit :
         {UseInitrd("@initrd@"), CommandEdit(DropVirtioFs), Drop("-netdev"),
          Drop("-device driver=virtio-net"),
          Replace("-kernel", "-kernel " + (dir / "vmlinux").string()), memory_edit})
      edit(command);
    return command;
  }
  CommandLine MakeCloneCommand(const TinyPod& machine) {
    return MakeCommand(machine, UseCloneMemory(memory()));
  }
  std::string memory() { return dir / "memory"; }
  std::string state() { return dir / "state"; }

  static uint32_t Counter(TinyPod& machine) {
    return LoadAt<uint32_t>(
        ReadGuestMemory(machine.qmp(), kTinyKernelCounter, 4, machine.dir() / "scratch"), 0,
        "the counter");
  }
  /// The memory that holds firmware and kernel.
  std::string StartOfMemory() {
    std::string bytes(16 << 20, '\0');
    std::ifstream(memory(), std::ios::binary).read(bytes.data(), 16 << 20);
    return bytes;
  }
  /// Creates memory() and state(); returns the guest's counter at that time.
  uint32_t Create() {
    creator.Start(MakeCommand(creator, UseTemplateMemory(memory())));
    if (!creator.WaitKernel()) throw std::runtime_error("no kernel\n" + creator.qemu().Report());
    WaitUntil("the kernel counts", Deadline(kWait), [&] { return Counter(creator) != 0; });
    creator.qmp().Execute("stop");
    const uint32_t counted = Counter(creator);
    SaveTemplate(creator.qmp(), state(), kWait);
    creator.qemu().process().Kill();
    return counted;
  }
  void Clone(TinyPod& machine) {
    machine.Start(MakeCloneCommand(machine));
    LoadTemplate(machine.qmp(), state(), kWait);
  }
  static void ExpectCounts(TinyPod& machine, uint32_t from) {
    machine.qmp().Execute("cont");
    WaitUntil("the clone goes on", Deadline(kWait), [&] { return Counter(machine) > from; });
  }

  TempDir dir{"template"};
  TinyPod creator;
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
  TinyPod clone;
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
  std::vector<std::unique_ptr<TinyPod>> clones;
  for (int i = 0; i < 20; ++i) {
    clones.push_back(std::make_unique<TinyPod>());
    Clone(*clones.back());
    EXPECT_EQ(Counter(*clones.back()), counted) << i;
  }
  for (size_t i = 0; i < clones.size(); ++i) {
    ExpectCounts(*clones[i], counted);
    clones[i]->qmp().Execute("stop");
  }
  // The first clone has not run since the others ran.
  const uint32_t first = Counter(*clones[0]);
  ExpectCounts(*clones[19], Counter(*clones[19]));
  EXPECT_EQ(Counter(*clones[0]), first);
}

TEST_F(Template, ACloneTakesItsNetworkAfterwards) {
  Covers({"1.2 template-clone", "2.2 nic-add"});
  const uint32_t counted = Create();
  TinyPod clone;
  Clone(clone);
  ExpectCounts(clone, counted);
  Qmp& qmp = clone.qmp();
  qmp.ExecuteWithFd("getfd", {{"fdname", "fd0"}}, clone.tap().fds()[0].get());
  qmp.Execute("netdev_add", MakeTapNetdev("tap0_kata", "fd0", ""));
  qmp.Execute(
      "device_add",
      PlaceOnBridge(MakeNic("virtio-nic", "tap0_kata", "02:00:ca:fe:00:01", 1), "pci-bridge-0", 1));
  EXPECT_EQ(qmp.Execute("qom-get", {{"path", "virtio-nic"}, {"property", "addr"}}), 1 << 3);
}

TEST_F(Template, AStateThatIsCutShortIsRefusedAndLeavesTheOthersAlone) {
  Covers({"2.2 template-clone", "2.1 errors"});
  const uint32_t counted = Create();
  const std::string whole = ReadFile(state());
  WriteFile(state(), whole.substr(0, whole.size() / 2));
  TinyPod broken;
  broken.Start(MakeCloneCommand(broken));
  try {
    LoadTemplate(broken.qmp(), state(), kWait);
    ADD_FAILURE() << "a state that is cut short is loaded";
  } catch (const std::runtime_error& error) {
    // A target that cannot load its state exits. query-migrate may report the failure before that.
    const std::string why = error.what();
    EXPECT_TRUE(why.find("failed") != std::string::npos ||
                why.find("QMP connection ended") != std::string::npos ||
                why.find("Broken pipe") != std::string::npos)
        << why;
  }
  const auto status = broken.qemu().process().Wait(kWait);
  ASSERT_TRUE(status) << "it still runs";
  EXPECT_EQ(status->code, 1);
  WriteFile(state(), whole);
  TinyPod clone;
  Clone(clone);
  EXPECT_EQ(Counter(clone), counted);
}

}  // namespace
}  // namespace stx
