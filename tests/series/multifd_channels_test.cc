// SPDX-License-Identifier: GPL-2.0-or-later
// The multifd patches in patches/fixes: the number of channels is that of the set-up, idle channels
// are counted exactly, and a channel that ends always reports it.

#include "migration_threads.h"

namespace stx {
namespace {

class MultifdChannels : public MigrationThreadPlacement {};

TEST_F(MultifdChannels, MayBeSetForTheNextMigrationWhileOneRuns) {
  for (int channels : {7, 1}) {
    Start();
    Begin(3);
    Set({{"multifd-channels", channels}});
    target_->qmp().Execute("migrate-set-parameters", {{"multifd-channels", channels}});
    Complete();
    if (HasFailure()) return;
    EXPECT_EQ(qmp().Execute("query-migrate-parameters").value("multifd-channels", 0), channels);
  }
}

TEST_F(MultifdChannels, MayBeSetWhileOneRunsThatIsCancelled) {
  for (int channels : {7, 1}) {
    Start();
    Begin(3);
    Set({{"multifd-channels", channels}});
    qmp().Execute("migrate_cancel");
    EXPECT_EQ(WaitMigrationEnd(qmp())["status"], "cancelled");
    ASSERT_TRUE(source_->process().Running());
  }
}

// The test is the source, because with a real one the refused channel depends on which connects
// first.
TEST_F(MultifdChannels, ATargetRefusesOneThatItDoesNotHave) {
  Start();
  constexpr uint8_t kChannels = 3;
  SetMigrationCapability(target_->qmp(), "multifd");
  target_->qmp().Execute("migrate-set-parameters", {{"multifd-channels", kChannels}});
  target_->qmp().Execute("migrate-incoming", {{"uri", "unix:" + (dir_ / "sock").string()}});
  const UniqueFd main = ConnectUnix(dir_ / "sock", Deadline(kTimeout));
  WriteAll(main.get(), std::string("QEVM\0\0\0\3", 8));
  const UniqueFd channel = ConnectUnix(dir_ / "sock", Deadline(kTimeout));
  // migration/multifd.c: magic, version, UUID, number, unused.
  WriteAll(channel.get(), std::string("\x11\x22\x33\x44\0\0\0\1", 8) + std::string(16, '\0') +
                              static_cast<char>(kChannels) + std::string(7 + 32, '\0'));
  WaitUntil("the target names the parameter", Deadline(kTimeout), [&] {
    return target_->process().Stderr().find("parameter multifd-channels") != std::string::npos;
  });
}

// A channel that meets the error ends the others, together with the jobs that were queued for them.
// None of them may leave the migration thread waiting. The bandwidth allows a few jobs at a time,
// fewer than there are channels. The result depends on timing: the base hangs in about one of ten
// rounds.
TEST_F(MultifdChannels, ATargetThatDiesEndsTheMigration) {
  for (int round = 0; round < 8; ++round) {
    Start();
    Begin(8, 16 * kMiB);
    target_->process().Kill();
    EXPECT_EQ(WaitMigrationEnd(qmp())["status"], "failed");
    // The error is reported at once. The threads have ended when the migration can no longer be
    // yanked.
    const auto ended = [&] {
      return qmp().Execute("query-yank").dump().find("migration") == std::string::npos;
    };
    for (Deadline deadline(kTimeout); !ended();)
      ASSERT_FALSE(deadline.Passed()) << "the migration thread waits for ever";
  }
}

}  // namespace
}  // namespace stx
