// SPDX-License-Identifier: GPL-2.0-or-later
// patches/wro/migration-thread-placement.patch: the threads that send the migration stream run
// where and how they were asked to, and no other thread does. Real migrations of a guest that
// dirties its memory; the threads are looked at in /proc while they send.

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "base/waiting.h"
#include "harness/guest_code/dirtying_guest.h"
#include "harness/host/threads.h"
#include "harness/qemu/migration.h"
#include "harness/qemu/qemu.h"

namespace stx {
namespace {

constexpr uint32_t kMiB = 1 << 20;
constexpr Milliseconds kTimeout{15000};

std::string LastCpu() { return std::to_string(sysconf(_SC_NPROCESSORS_CONF) - 1); }

/// The name that a thread has in 7.2: later versions name theirs "mig/src/main", "mig/src/send_0".
std::string OldName(const std::string& name) {
  if (name == "mig/src/main") return "live_migration";
  if (name == "mig/snapshot") return "bg_snapshot";
  if (name.starts_with("mig/src/send_")) return "multifdsend_" + name.substr(13);
  return name;
}

bool IsSender(const std::string& thread) {
  const std::string name = OldName(thread);
  return name == "live_migration" || name == "bg_snapshot" || name == "compress" ||
         name.starts_with("multifdsend_");
}

const std::vector<std::string> kSandbox = {"-sandbox", "on,resourcecontrol=deny"};

/// False for a QEMU built without seccomp, which refuses the option.
bool HasSandbox() { return RunQemu({"-sandbox", "off", "-version"}).status.Success(); }

/// Runs in the child: no right to real-time scheduling, as on a host that grants QEMU none.
bool DropRealTime() {
  constexpr int kCapSysNice = 23;
  rlimit none{0, 0};
  return prctl(PR_CAPBSET_DROP, kCapSysNice) == 0 && setrlimit(RLIMIT_RTPRIO, &none) == 0;
}

class MigrationThreadPlacement : public testing::Test {
 protected:
  void SetUp() override {
    if (sysconf(_SC_NPROCESSORS_CONF) < 2) GTEST_SKIP() << "needs two CPUs to tell them apart";
    if (UsableCpus() < 2) GTEST_SKIP() << "this process may use one CPU only";
  }

  void Start(std::vector<std::string> more = {}, bool (*before_exec)() = nullptr) {
    QemuOptions source, target;
    source.args = target.args = guest_.args();
    source.args.insert(source.args.end(), {"-name", "guest,debug-threads=on"});
    source.args.insert(source.args.end(), more.begin(), more.end());
    source.spawn.before_exec = before_exec;
    target.args.insert(target.args.end(), {"-incoming", "defer"});
    source_ = std::make_unique<Qemu>(std::move(source));
    target_ = std::make_unique<Qemu>(std::move(target));
    DirtyingGuest::WaitRunning(qmp());
    own_cpus_ = Threads(source_->process().pid()).front().cpus;
  }

  void TearDown() override {
    if (HasFailure() && target_)
      std::cerr << "source: " << source_->process().Stderr()
                << "\ntarget: " << target_->process().Stderr();
  }

  /// An error fails the test but does not end it: what the threads do then is judged as well.
  void Set(const json& parameters) {
    EXPECT_NO_THROW(qmp().Execute("migrate-set-parameters", parameters));
  }

  /// Begins a migration that does not get done, and waits for the threads that send it.
  void Begin(size_t channels = 0, uint32_t bytes_per_second = 8 * kMiB) {
    Set({{"max-bandwidth", bytes_per_second}, {"downtime-limit", 0}});
    if (channels) {
      SetMigrationCapability(qmp(), "multifd");
      SetMigrationCapability(target_->qmp(), "multifd");
      Set({{"multifd-channels", channels}});
      target_->qmp().Execute("migrate-set-parameters", {{"multifd-channels", channels}});
    }
    json uri{{"uri", "unix:" + (dir_ / "sock").string()}};
    target_->qmp().Execute("migrate-incoming", uri);
    qmp().Execute("migrate", uri);
    WaitUntil("the migration is active", Deadline(kTimeout),
              [&] { return qmp().Execute("query-migrate")["status"] == "active"; });
  }

  /// Looks for a while at the threads of the running migration: each of `senders` is as asked, and
  /// all others are as they are born.
  void ExpectPlaced(std::vector<std::string> senders, const std::string& cpus, int priority) {
    std::sort(senders.begin(), senders.end());
    // A thread names and places itself, so wait until all have begun.
    HoldsBefore(Deadline(Milliseconds(2000)), [&] {
      size_t ready = 0;
      for (const ThreadInfo& thread : Threads(source_->process().pid()))
        ready += IsSender(thread.name) && thread.cpus == cpus && thread.priority == priority;
      return ready == senders.size();
    });
    for (int look = 0; look < 20; ++look) {
      std::vector<std::string> seen;
      for (const ThreadInfo& thread : Threads(source_->process().pid())) {
        const bool sender = IsSender(thread.name);
        if (sender) seen.push_back(OldName(thread.name));
        EXPECT_EQ(thread.cpus, sender ? cpus : own_cpus_) << thread.name;
        EXPECT_EQ(thread.policy, sender && priority ? SCHED_FIFO : SCHED_OTHER) << thread.name;
        EXPECT_EQ(thread.priority, sender ? priority : 0) << thread.name;
      }
      std::sort(seen.begin(), seen.end());
      EXPECT_EQ(seen, senders);
      if (HasFailure()) return;
      std::this_thread::sleep_for(Milliseconds(5));
    }
  }

  /// Lets the migration get done, and returns what query-migrate says then.
  json Complete() {
    Set({{"max-bandwidth", 8192ll * kMiB}, {"downtime-limit", 10000}});
    json info = WaitMigrationEnd(qmp());
    EXPECT_EQ(info["status"], "completed") << info.dump();
    target_->qmp().WaitEvent("RESUME");
    DirtyingGuest::WaitRunning(target_->qmp());
    return info;
  }

  void ExpectNoRefusal(const json& info) {
    EXPECT_FALSE(info.contains("thread-placement-error")) << info.dump();
    EXPECT_EQ(source_->process().Stderr(), "");
  }

  Qmp& qmp() { return source_->qmp(); }

  DirtyingGuest guest_{17 * kMiB};
  TempDir dir_{"placement"};
  std::unique_ptr<Qemu> source_, target_;
  std::string own_cpus_;
};

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
  Begin(0, kMiB / 16);  // the guest's pages get very small
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

// A refused attempt would be reported: so no report means that nothing was attempted.
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
  // For the next migration, not for the one that runs.
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

// A channel that meets the error ends the others, with the jobs that were queued for them: none may
// leave the migration thread waiting. The bandwidth is good for a few jobs at a time, fewer than
// channels. A matter of luck: the base hangs in one of ten rounds or so.
TEST_F(MigrationThreadPlacement, ATargetThatDiesEndsTheMigration) {
  for (int round = 0; round < 8; ++round) {
    Start();
    Begin(8, 16 * kMiB);
    target_->process().Kill();
    EXPECT_EQ(WaitMigrationEnd(qmp())["status"], "failed");
    // That is said at once; its threads have ended when it can be yanked no more.
    WaitUntil("the end of the migration thread", Deadline(kTimeout), [&] {
      return qmp().Execute("query-yank").dump().find("migration") == std::string::npos;
    });
  }
}

class MigrationThreadContext : public MigrationThreadPlacement {
 protected:
  /// A thread-context object made before the sandbox, in a QEMU that denies both calls to itself.
  void StartSandboxed() {
    std::vector<std::string> args = {
        "-object", "thread-context,id=mig,sched-priority=7,cpu-affinity=" + LastCpu()};
    args.insert(args.end(), kSandbox.begin(), kSandbox.end());
    Start(args);
  }

  void ExpectPlacedByContext(std::vector<std::string> senders) {
    // The context's own thread has what it hands on.
    for (const ThreadInfo& thread : Threads(source_->process().pid())) {
      const bool placed = IsSender(thread.name) || thread.name == "TC mig";
      EXPECT_EQ(thread.cpus, placed ? LastCpu() : own_cpus_) << thread.name;
      EXPECT_EQ(thread.policy, placed ? SCHED_FIFO : SCHED_OTHER) << thread.name;
      EXPECT_EQ(thread.priority, placed ? 7 : 0) << thread.name;
      EXPECT_EQ(thread.seccomp, 2) << thread.name << " is outside of the sandbox";
      std::erase(senders, OldName(thread.name));
    }
    EXPECT_EQ(senders, std::vector<std::string>{});
  }
};

TEST_F(MigrationThreadContext, GivesItsPlacementUnderTheSandbox) {
  if (!HasSandbox()) GTEST_SKIP() << "this QEMU is built without seccomp";
  StartSandboxed();
  Set({{"thread-context", "mig"}});
  Begin(2);
  ExpectPlacedByContext({"live_migration", "multifdsend_0", "multifdsend_1"});
  ExpectNoRefusal(Complete());
}

// Everybody but that object: another context, the same context once the filter is on, and the
// sending threads themselves.
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
