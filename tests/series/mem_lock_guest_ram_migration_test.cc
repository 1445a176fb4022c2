// SPDX-License-Identifier: GPL-2.0-or-later
// mem-lock-guest-ram.patch (WRO 8) in migration: post-copy unlocks and re-locks the same blocks,
// and blocks that the stream resizes are locked up to their new used length.

#include <gtest/gtest.h>
#include <unistd.h>

#include <stdexcept>

#include "base/waiting.h"
#include "series/mem_lock_machines.h"

namespace stx {
namespace {

constexpr uint64_t kPatternAt = 16 * kMiB, kPatternSize = 8 * kMiB;
constexpr char kTables[] = "/rom@etc/acpi/tables";

/// Two machines and the socket between them; the target locks guest RAM.
class MemLockMigration : public MemLockLimit {
 protected:
  void SetUp() override { MemLockGuestRam::SetUp(); }  // limits matter to one test only

  void Start(QemuOptions source, QemuOptions target) {
    source_.emplace(std::move(source));
    target.args.insert(target.args.end(), {"-incoming", "defer"});
    const bool limited = target.spawn.memlock_limit.has_value();
    target_.emplace(std::move(target));
    if (limited && target_->process().Wait(Milliseconds(500)))
      throw std::runtime_error("the target did not start: " + target_->Report());
    source_->qmp();
    target_->qmp();
  }

  static void SetCapability(Qemu& qemu, const char* name) {
    qemu.qmp().Execute("migrate-set-capabilities",
                       {{"capabilities", {{{"capability", name}, {"state", true}}}}});
  }

  /// False if this machine does not give QEMU userfaultfd; `why_not_` is then QEMU's message.
  bool AllowPostCopy(Qemu& qemu) {
    try {
      SetCapability(qemu, "postcopy-ram");
      return true;
    } catch (const QmpError& error) {
      why_not_ = "no post-copy here: " + error.desc() + "\n" + qemu.process().Stderr();
      return false;
    }
  }

  void Migrate() {
    const std::string uri = "unix:" + (dir_ / "migration.sock").string();
    target_->qmp().Execute("migrate-incoming", {{"uri", uri}});
    source_->qmp().Execute("migrate", {{"uri", uri}});
  }

  std::string Status(Qemu& qemu) {
    return qemu.qmp().Execute("query-migrate").value("status", "none");
  }

  void WaitForStatus(Qemu& qemu, const std::string& status) {
    WaitUntil("migration status " + status, Deadline(Milliseconds(20000)),
              [&] { return Status(qemu) == status; });
  }

  void WaitForLocked(uint64_t bytes) {
    WaitUntil(std::to_string(bytes) + " bytes locked", Deadline(Milliseconds(10000)),
              [&] { return Locked(*target_) == bytes; });
  }

  /// Arguments whose ACPI tables need a larger RAM block than the default.
  std::vector<std::string> BigAcpiTables() {
    WriteFile(dir_ / "table", std::string(60000, 'x'));
    std::vector<std::string> arguments;
    for (int i = 0; i < 3; ++i)
      arguments.insert(arguments.end(), {"-acpitable", "sig=STX" + std::to_string(i) +
                                                           ",data=" + (dir_ / "table").string()});
    return arguments;
  }

  TempDir dir_{"migration"};
  std::string why_not_;
  std::optional<Qemu> source_, target_;
};

TEST_F(MemLockMigration, PostCopyRunsUnlockedAndEndsLocked) {
  Start(MakeMachine(""), MakeMachine("on"));
  if (!AllowPostCopy(*target_) || !AllowPostCopy(*source_)) GTEST_SKIP() << why_not_;
  const uint64_t before = Locked(*target_);
  EXPECT_GE(before, kRam);
  SetCapability(*source_, "events");
  source_->qtest().MemSet(kPatternAt, kPatternSize, 0xa5);
  source_->qmp().Execute("migrate-set-parameters", {{"max-bandwidth", 1 << 20}});
  Migrate();
  WaitForStatus(*source_, "active");
  WaitForLocked(0);
  source_->qmp().Execute("migrate-start-postcopy");
  source_->qmp().WaitEvent("MIGRATION", Qmp::kTimeout, [](const json& event) {
    return event["data"]["status"] == "postcopy-active";
  });
  WaitForStatus(*source_, "completed");
  WaitForStatus(*target_, "completed");
  WaitForLocked(before);
  ExpectGuestRamLockedAndOnlyIt(*target_);
  EXPECT_EQ(target_->qtest().MemRead(kPatternAt, kPatternSize),
            std::vector<uint8_t>(kPatternSize, 0xa5));
}

// A command that is refused waits for the end of all RCU readers, and locking may take seconds.
TEST_F(MemLockMigration, TheMonitorAnswersWhileTheMemoryIsLockedAgain) {
  TempDir gate("mlock");
  WriteFile(gate / "open", "");
  QemuOptions target = MakeMachine("on");
  target.spawn.environment = {"LD_PRELOAD=" + EnvOr("SLOW_MLOCK", ""),
                              "MLOCK_GATE=" + gate.path().string()};
  Start(MakeMachine(""), std::move(target));
  if (!AllowPostCopy(*target_) || !AllowPostCopy(*source_)) GTEST_SKIP() << why_not_;
  const uint64_t before = Locked(*target_);
  source_->qtest().MemSet(kPatternAt, kPatternSize, 0xa5);
  source_->qmp().Execute("migrate-set-parameters", {{"max-bandwidth", 1 << 20}});
  Migrate();
  WaitForStatus(*source_, "active");
  WaitForLocked(0);
  std::filesystem::remove(gate / "open");
  source_->qmp().Execute("migrate-start-postcopy");
  WaitUntil("the target locks its memory", Deadline(Milliseconds(20000)),
            [&] { return std::filesystem::exists(gate / "begun"); });
  EXPECT_THROW(target_->qmp().Execute("device_add", {{"driver", "virtio-net-pci"}, {"no", "such"}}),
               QmpError);
  EXPECT_EQ(Locked(*target_), 0u);
  WriteFile(gate / "open", "");
  WaitForLocked(before);
}

TEST_F(MemLockMigration, PreCopyThatEndsBeforePostCopyEndsLocked) {
  Start(MakeMachine(""), MakeMachine("on"));
  if (!AllowPostCopy(*target_) || !AllowPostCopy(*source_)) GTEST_SKIP() << why_not_;
  const uint64_t before = Locked(*target_);
  Migrate();
  WaitForStatus(*source_, "completed");
  WaitForStatus(*target_, "completed");
  WaitForLocked(before);
  ExpectGuestRamLockedAndOnlyIt(*target_);
}

TEST_F(MemLockMigration, ATargetThatOnlyAllowsPostCopyStaysLocked) {
  Start(MakeMachine(""), MakeMachine("on"));
  if (!AllowPostCopy(*target_)) GTEST_SKIP() << why_not_;
  ExpectGuestRamLockedAndOnlyIt(*target_);
  Migrate();
  WaitForStatus(*source_, "completed");
  WaitForStatus(*target_, "completed");
  ExpectGuestRamLockedAndOnlyIt(*target_);
}

TEST_F(MemLockMigration, BlocksThatGrowAreLockedAsFarAsTheyAreUsed) {
  Start(MakeMachine("", BigAcpiTables()), MakeMachine("on"));
  const uint64_t small = FindRamBlock(target_->qmp(), kTables).used;
  Migrate();
  WaitForStatus(*target_, "completed");
  ASSERT_GT(FindRamBlock(target_->qmp(), kTables).used, small);
  ExpectGuestRamLockedAndOnlyIt(*target_);
}

TEST_F(MemLockMigration, BlocksThatShrinkAreUnlockedWhereTheyAreUnused) {
  Start(MakeMachine(""), MakeMachine("on", BigAcpiTables()));
  const uint64_t big = FindRamBlock(target_->qmp(), kTables).used;
  Migrate();
  WaitForStatus(*target_, "completed");
  ASSERT_LT(FindRamBlock(target_->qmp(), kTables).used, big);
  ExpectGuestRamLockedAndOnlyIt(*target_);
}

TEST_F(MemLockMigration, ABlockThatGrowsBeyondTheLimitFailsTheMigrationAndTheSourceGoesOn) {
  MemLockLimit::SetUp();
  if (IsSkipped()) return;
  Start(SmallMachine("", BigAcpiTables()),
        Limited(SmallMachine("on"), SmallMachineBlocks() + 64 * kKiB));
  Migrate();
  auto status = target_->process().Wait(Milliseconds(10000));
  ASSERT_TRUE(status) << target_->Report();
  EXPECT_EQ(status->code, 1);
  const std::string err = target_->process().Stderr();
  EXPECT_NE(err.find(std::string("guest memory block '") + kTables), std::string::npos) << err;
  EXPECT_NE(err.find("RLIMIT_MEMLOCK is"), std::string::npos) << err;
  WaitForStatus(*source_, "failed");
  EXPECT_EQ(source_->qmp().Execute("query-status")["status"], "running");
}

}  // namespace
}  // namespace stx
