// SPDX-License-Identifier: GPL-2.0-or-later
// What the tests of the migration's threads share: a real migration of a guest that dirties its
// memory, whose threads are examined in /proc while they send.
#pragma once

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <thread>

#include "base/waiting.h"
#include "harness/guest_code/dirtying_guest.h"
#include "harness/host/threads.h"
#include "harness/qemu/migration.h"
#include "harness/qemu/qemu.h"

namespace stx {

inline constexpr uint32_t kMiB = 1 << 20;
inline constexpr Milliseconds kTimeout{15000};

inline std::string LastCpu() { return std::to_string(sysconf(_SC_NPROCESSORS_CONF) - 1); }

/// The name that a thread has in 7.2. Later versions use "mig/src/main", "mig/src/send_0".
inline std::string OldName(const std::string& name) {
  if (name == "mig/src/main") return "live_migration";
  if (name == "mig/snapshot") return "bg_snapshot";
  if (name.starts_with("mig/src/send_")) return "multifdsend_" + name.substr(13);
  return name;
}

inline bool IsSender(const std::string& thread) {
  const std::string name = OldName(thread);
  return name == "live_migration" || name == "bg_snapshot" || name == "compress" ||
         name.starts_with("multifdsend_");
}

inline const std::vector<std::string> kSandbox = {"-sandbox", "on,resourcecontrol=deny"};

/// False for a QEMU that was built without seccomp, which refuses the option.
inline bool HasSandbox() { return RunQemu({"-sandbox", "off", "-version"}).status.Success(); }

/// Runs in the child: removes the right to real-time scheduling, as on a host that does not grant
/// it to QEMU.
inline bool DropRealTime() {
  constexpr int kCapSysNice = 23;
  rlimit none{0, 0};
  return prctl(PR_CAPBSET_DROP, kCapSysNice) == 0 && setrlimit(RLIMIT_RTPRIO, &none) == 0;
}

class MigrationThreadPlacement : public testing::Test {
 protected:
  void SetUp() override {
    if (sysconf(_SC_NPROCESSORS_CONF) < 2) GTEST_SKIP() << "needs two CPUs to tell them apart";
    if (CountUsableCpus() < 2) GTEST_SKIP() << "this process may use one CPU only";
  }

  /// `both` are arguments of source and target, `more` only of the source.
  void Start(const std::vector<std::string>& more = {}, bool (*before_exec)() = nullptr,
             const std::vector<std::string>& both = {}) {
    QemuOptions source, target;
    source.args = target.args = guest_.args();
    source.args.insert(source.args.end(), both.begin(), both.end());
    target.args.insert(target.args.end(), both.begin(), both.end());
    source.args.insert(source.args.end(), {"-name", "guest,debug-threads=on"});
    source.args.insert(source.args.end(), more.begin(), more.end());
    source.spawn.before_exec = before_exec;
    target.args.insert(target.args.end(), {"-incoming", "defer"});
    source_ = std::make_unique<Qemu>(std::move(source));
    target_ = std::make_unique<Qemu>(std::move(target));
    DirtyingGuest::WaitRunning(qmp());
    own_cpus_ = ReadThreads(source_->process().pid()).front().cpus;
  }

  void TearDown() override {
    if (HasFailure() && source_ && target_)
      std::cerr << "source: " << source_->process().Stderr()
                << "\ntarget: " << target_->process().Stderr();
  }

  /// An error fails the test but does not end it, so that what the threads do then is judged as
  /// well.
  void Set(const json& parameters) {
    EXPECT_NO_THROW(qmp().Execute("migrate-set-parameters", parameters));
  }

  /// Starts a migration that does not complete, and waits for the threads that send it.
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
    WaitUntil("the migration starts", Deadline(kTimeout),
              [&] { return qmp().Execute("query-migrate")["status"] == "active"; });
  }

  /// Observes the threads of the running migration for a while: each of `senders` must be as
  /// requested, and all others must be unchanged.
  void ExpectPlaced(std::vector<std::string> senders, const std::string& cpus, int priority) {
    std::sort(senders.begin(), senders.end());
    // A thread names and places itself, so wait until all have started.
    HoldsBefore(Deadline(Milliseconds(2000)), [&] {
      size_t ready = 0;
      for (const ThreadInfo& thread : ReadThreads(source_->process().pid()))
        ready += Sends(thread.name) && thread.cpus == cpus && thread.priority == priority;
      return ready == senders.size();
    });
    for (int look = 0; look < 20; ++look) {
      std::vector<std::string> seen;
      for (const ThreadInfo& thread : ReadThreads(source_->process().pid())) {
        const bool sender = Sends(thread.name);
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

  /// Lets the migration complete; returns the reply of query-migrate.
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

  bool Sends(const std::string& thread) const {
    return IsSender(thread) || thread == another_sender_;
  }

  DirtyingGuest guest_{17 * kMiB};
  TempDir dir_{"placement"};
  std::string another_sender_;  ///< in addition to those of IsSender()
  std::unique_ptr<Qemu> source_, target_;
  std::string own_cpus_;
};

class MigrationThreadContext : public MigrationThreadPlacement {
 protected:
  /// A thread-context object created before the sandbox, in a QEMU that forbids itself both calls.
  void StartSandboxed() {
    std::vector<std::string> args = {
        "-object", "thread-context,id=mig,sched-priority=7,cpu-affinity=" + LastCpu()};
    args.insert(args.end(), kSandbox.begin(), kSandbox.end());
    Start(args);
  }

  void ExpectPlacedByContext(std::vector<std::string> senders) {
    // The context's own thread has the placement that it passes on.
    for (const ThreadInfo& thread : ReadThreads(source_->process().pid())) {
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

}  // namespace stx
