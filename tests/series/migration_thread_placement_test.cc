// SPDX-License-Identifier: GPL-2.0-or-later
// migration-thread-placement.patch: the threads that send the migration stream run where and how
// they were told to, and no other thread does.

#include "migration_threads.h"

namespace stx {
namespace {

TEST_F(MigrationThreadPlacement, TheMigrationThreadIsPlacedAndNoOther) {
  Start();
  Set({{"thread-cpus", LastCpu()}, {"thread-priority", 10}});
  Begin();
  ExpectPlaced({"live_migration"}, LastCpu(), 10);
  ExpectNoRefusal(Complete());
}

TEST_F(MigrationThreadPlacement, EveryMultifdChannelIsPlaced) {
  Start();
  Set({{"thread-cpus", LastCpu()}, {"thread-priority", 10}});
  Begin(3);
  ExpectPlaced({"live_migration", "multifdsend_0", "multifdsend_1", "multifdsend_2"}, LastCpu(),
               10);
  ExpectNoRefusal(Complete());
}

TEST_F(MigrationThreadPlacement, CompressionThreadsArePlaced) {
  Start();
  const json capabilities = qmp().Execute("query-migrate-capabilities");
  if (std::none_of(capabilities.begin(), capabilities.end(),
                   [](const json& each) { return each["capability"] == "compress"; }))
    GTEST_SKIP() << "this QEMU has no compression threads (gone since 9.1)";
  Set({{"thread-cpus", LastCpu()}, {"thread-priority", 10}});
  Set({{"compress-threads", 2}});
  SetMigrationCapability(qmp(), "compress");
  SetMigrationCapability(target_->qmp(), "compress");
  // Compressed pages are very small. With a downtime limit of 0 QEMU 7.2 completes after one pass
  // over the memory, which must last longer than the look at the threads.
  Begin(0, 4096);
  ExpectPlaced({"live_migration", "compress", "compress"}, LastCpu(), 10);
  ExpectNoRefusal(Complete());
}

TEST_F(MigrationThreadPlacement, TheListMayNameCpusBeyond64AndBeyondThoseOfTheHost) {
  Start();
  const std::string list = LastCpu() + ",64-200,1500,65535";
  Set({{"thread-cpus", list}});
  Begin(2);
  EXPECT_EQ(qmp().Execute("query-migrate-parameters").value("thread-cpus", ""), list);
  ExpectPlaced({"live_migration", "multifdsend_0", "multifdsend_1"}, LastCpu(), 0);
  ExpectNoRefusal(Complete());
}

TEST_F(MigrationThreadPlacement, CpusThatTheHostDoesNotHaveAreReportedAndTheMigrationGoesOn) {
  Start();
  Set({{"thread-cpus", "60000-60001"}, {"thread-priority", 3}});
  Begin();
  ExpectPlaced({"live_migration"}, own_cpus_, 3);
  json info = Complete();
  EXPECT_NE(info.value("thread-placement-error", "").find("60000-60001"), std::string::npos)
      << info.dump();
}

TEST_F(MigrationThreadPlacement, ARefusedPriorityIsReportedAndTheMigrationGoesOn) {
  Start({}, DropRealTime);
  Set({{"thread-cpus", LastCpu()}, {"thread-priority", 10}});
  Begin(2);
  ExpectPlaced({"live_migration", "multifdsend_0", "multifdsend_1"}, LastCpu(), 0);
  json info = Complete();
  const std::string error = info.value("thread-placement-error", "");
  EXPECT_NE(error.find("priority 10"), std::string::npos) << info.dump();
  EXPECT_NE(error.find("Operation not permitted"), std::string::npos) << info.dump();
  StderrLines lines = SplitStderr(source_->process().Stderr());
  EXPECT_EQ(lines.warnings.size(), 1u) << "one warning, not one a thread";
  EXPECT_EQ(lines.errors.size(), 0u);
  EXPECT_NE(qmp().Hmp("info migrate").find(error), std::string::npos);
}

// A refused attempt would be reported, so without a report nothing was attempted.
TEST_F(MigrationThreadPlacement, NothingIsAttemptedWhenNothingWasAsked) {
  if (!HasSandbox()) GTEST_SKIP() << "this QEMU is built without seccomp";
  Start(kSandbox, DropRealTime);
  Begin(2);
  ExpectPlaced({"live_migration", "multifdsend_0", "multifdsend_1"}, own_cpus_, 0);
  ExpectNoRefusal(Complete());
}

TEST_F(MigrationThreadPlacement, ThePlacementCanBeTakenBack) {
  Start();
  Set({{"thread-cpus", LastCpu()}, {"thread-priority", 10}});
  Set({{"thread-cpus", "all"}, {"thread-priority", 0}});
  Begin();
  ExpectPlaced({"live_migration"}, own_cpus_, 0);
  // For the next migration, not for the running one.
  Set({{"thread-cpus", LastCpu()}, {"thread-priority", 10}});
  ExpectPlaced({"live_migration"}, own_cpus_, 0);
  ExpectNoRefusal(Complete());
}

TEST_F(MigrationThreadPlacement, TheSandboxRefusesAPlacementAndTheMigrationGoesOn) {
  if (!HasSandbox()) GTEST_SKIP() << "this QEMU is built without seccomp";
  Start(kSandbox);
  Set({{"thread-cpus", LastCpu()}, {"thread-priority", 10}});
  Begin(2);
  ExpectPlaced({"live_migration", "multifdsend_0", "multifdsend_1"}, own_cpus_, 0);
  json info = Complete();
  EXPECT_NE(info.value("thread-placement-error", "").find("Operation not permitted"),
            std::string::npos)
      << info.dump();
}

TEST_F(MigrationThreadContext, GivesItsPlacementUnderTheSandbox) {
  if (!HasSandbox()) GTEST_SKIP() << "this QEMU is built without seccomp";
  StartSandboxed();
  Set({{"thread-context", "mig"}});
  Begin(2);
  ExpectPlacedByContext({"live_migration", "multifdsend_0", "multifdsend_1"});
  ExpectNoRefusal(Complete());
}

// For everything but that object: another context, the same context once the filter is active, and
// the sending threads themselves.
TEST_F(MigrationThreadContext, TheSandboxStillDeniesBothCallsToEverybody) {
  if (!HasSandbox()) GTEST_SKIP() << "this QEMU is built without seccomp";
  StartSandboxed();
  auto denied = [&](const char* what, const char* command, const json& arguments) {
    try {
      qmp().Execute(command, arguments);
      ADD_FAILURE() << what << " is allowed";
    } catch (const QmpError& error) {
      EXPECT_NE(error.desc().find("Operation not permitted"), std::string::npos)
          << what << ": " << error.desc();
    }
  };
  const json cpus = json::array({0});
  denied("affinity of a new context", "object-add",
         {{"qom-type", "thread-context"}, {"id", "a"}, {"cpu-affinity", cpus}});
  denied("priority of a new context", "object-add",
         {{"qom-type", "thread-context"}, {"id", "b"}, {"sched-priority", 5}});
  denied("affinity of the old context", "qom-set",
         {{"path", "/objects/mig"}, {"property", "cpu-affinity"}, {"value", cpus}});
  denied("priority of the old context", "qom-set",
         {{"path", "/objects/mig"}, {"property", "sched-priority"}, {"value", 5}});
  Set({{"thread-context", "mig"}, {"thread-cpus", "0"}, {"thread-priority", 20}});
  Begin();
  ExpectPlacedByContext({"live_migration"});
  EXPECT_TRUE(Complete().contains("thread-placement-error"));
}

TEST_F(MigrationThreadContext, AnObjectThatIsGoneIsReportedAndTheMigrationGoesOn) {
  Start({"-object", "thread-context,id=mig,cpu-affinity=" + LastCpu()});
  Set({{"thread-context", "mig"}});
  qmp().Execute("object-del", {{"id", "mig"}});
  Begin();
  ExpectPlaced({"live_migration"}, own_cpus_, 0);
  EXPECT_NE(Complete().value("thread-placement-error", "").find("'mig'"), std::string::npos);
}

}  // namespace
}  // namespace stx
