// SPDX-License-Identifier: GPL-2.0-or-later
// migration-thread-placement.patch in the other modes of migration, and threads that a placed
// thread creates for others.

#include <fcntl.h>

#include <cstring>
#include <filesystem>

#include "migration_threads.h"

namespace stx {
namespace {

class MigrationThreadModes : public MigrationThreadContext {
 protected:
  void Both(const std::string& capability) {
    for (Qmp* each : {&qmp(), &target_->qmp()}) SetMigrationCapability(*each, capability);
  }

  /// False if the host does not give QEMU userfaultfd; `why_not_` is then QEMU's message.
  bool Allowed(const std::vector<std::string>& capabilities) {
    try {
      for (const std::string& capability : capabilities) Both(capability);
      return true;
    } catch (const QmpError& error) {
      why_not_ = "not here: " + error.desc();
      return false;
    }
  }

  void WaitStatus(Qmp& qmp, const std::string& status) {
    WaitUntil("the migration is " + status, Deadline(kTimeout),
              [&] { return qmp.Execute("query-migrate").value("status", "") == status; });
  }

  std::vector<ThreadInfo> Workers() {
    std::vector<ThreadInfo> workers = ReadThreads(source_->process().pid());
    std::erase_if(workers, [](const ThreadInfo& thread) { return thread.name != "worker"; });
    return workers;
  }

  /// Stops the VM at the end of a migration, which flushes a disk that has data to write, and
  /// cancels the migration. No worker of the thread pool may inherit the placement of the migration
  /// thread.
  void ExpectWorkersUnplaced() {
    SetMigrationCapability(qmp(), "pause-before-switchover");
    SetMigrationCapability(target_->qmp(), "pause-before-switchover");
    qmp().Hmp("qemu-io d \"write -P 1 0 64k\"");
    WaitUntil("idle workers end", Deadline(Milliseconds(30000)), [&] { return Workers().empty(); });
    Begin();
    Set({{"max-bandwidth", 8192ll * kMiB}, {"downtime-limit", 10000}});
    WaitStatus(qmp(), "pre-switchover");
    ASSERT_FALSE(Workers().empty()) << "stopping the VM needed no worker: the test shows nothing";
    for (const ThreadInfo& worker : Workers()) {
      EXPECT_EQ(worker.cpus, own_cpus_);
      EXPECT_EQ(worker.policy, SCHED_OTHER);
    }
    qmp().Execute("migrate_cancel");
    WaitStatus(qmp(), "cancelled");
    for (const ThreadInfo& thread : ReadThreads(source_->process().pid())) {
      if (thread.name == "TC mig") continue;
      EXPECT_EQ(thread.cpus, own_cpus_) << thread.name;
      EXPECT_EQ(thread.policy, SCHED_OTHER) << thread.name;
    }
  }

  std::vector<std::string> Disk() {
    const std::filesystem::path disk = dir_ / "disk";
    WriteFile(disk, "");
    std::filesystem::resize_file(disk, 16 * kMiB);
    return {"-blockdev",
            "driver=raw,node-name=d,file.driver=file,file.aio=threads,file.locking=off,"
            "file.filename=" +
                disk.string(),
            "-device", "virtio-blk-pci,drive=d,share-rw=on"};
  }

  std::string why_not_;
};

TEST_F(MigrationThreadModes, WorkersOfTheThreadPoolAreNotPlaced) {
  Start({}, nullptr, Disk());
  Set({{"thread-cpus", LastCpu()}, {"thread-priority", 7}});
  ExpectWorkersUnplaced();
}

TEST_F(MigrationThreadModes, WorkersOfTheThreadPoolAreNotPlacedByAContextEither) {
  Start({"-object", "thread-context,id=mig,sched-priority=7,cpu-affinity=" + LastCpu()}, nullptr,
        Disk());
  Set({{"thread-context", "mig"}});
  ExpectWorkersUnplaced();
}

TEST_F(MigrationThreadModes, ChannelsWithTlsArePlaced) {
  for (const char* side : {"client", "server"}) {
    std::filesystem::create_directory(dir_ / side);
    WriteFile(dir_ / side / "keys.psk", "qemu:" + std::string(64, 'a') + "\n");
  }
  Start();
  for (Qemu* each : {source_.get(), target_.get()}) {
    const std::string side = each == source_.get() ? "client" : "server";
    json credentials{{"qom-type", "tls-creds-psk"},
                     {"id", "tls"},
                     {"endpoint", side},
                     {"dir", (dir_ / side).string()}};
    if (side == "client") credentials["username"] = "qemu";
    each->qmp().Execute("object-add", credentials);
    each->qmp().Execute("migrate-set-parameters",
                        {{"tls-creds", "tls"}, {"tls-hostname", "localhost"}});
  }
  Set({{"thread-cpus", LastCpu()}, {"thread-priority", 10}});
  Begin(3);
  ExpectPlaced({"live_migration", "multifdsend_0", "multifdsend_1", "multifdsend_2"}, LastCpu(),
               10);
  ExpectNoRefusal(Complete());
}

TEST_F(MigrationThreadModes, TheThreadOfABackgroundSnapshotIsPlaced) {
  Start();
  try {
    SetMigrationCapability(qmp(), "background-snapshot");
  } catch (const QmpError& error) {
    GTEST_SKIP() << error.desc();
  }
  Set({{"thread-cpus", LastCpu()}, {"thread-priority", 10}});
  // A target that accepts the stream and never reads it, because no bandwidth limits a snapshot.
  const UniqueFd target = ListenUnix(dir_ / "sock");
  qmp().Execute("migrate", {{"uri", "unix:" + (dir_ / "sock").string()}});
  WaitStatus(qmp(), "active");
  ExpectPlaced({"bg_snapshot"}, LastCpu(), 10);
  qmp().Execute("migrate_cancel");
  WaitStatus(qmp(), "cancelled");
}

TEST_F(MigrationThreadModes, TheMigrationThreadStaysPlacedThroughPostCopyAndItsRecovery) {
  Start();
  if (!Allowed({"postcopy-ram"})) GTEST_SKIP() << why_not_;
  Set({{"thread-cpus", LastCpu()}, {"thread-priority", 10}, {"max-postcopy-bandwidth", kMiB}});
  Begin();
  qmp().Execute("migrate-start-postcopy");
  WaitStatus(qmp(), "postcopy-active");
  ExpectPlaced({"live_migration"}, LastCpu(), 10);
  qmp().Execute("migrate-pause");
  WaitStatus(qmp(), "postcopy-paused");
  WaitStatus(target_->qmp(), "postcopy-paused");
  const std::string again = "unix:" + (dir_ / "again").string();
  target_->qmp().Execute("migrate-recover", {{"uri", again}});
  qmp().Execute("migrate", {{"uri", again}, {"resume", true}});
  WaitStatus(qmp(), "postcopy-active");
  ExpectPlaced({"live_migration"}, LastCpu(), 10);
  Set({{"max-postcopy-bandwidth", 0}});
  EXPECT_EQ(WaitMigrationEnd(qmp())["status"], "completed");
}

TEST_F(MigrationThreadModes, TheMigrationThreadIsPlacedWithPostCopyPreempt) {
  Start();
  if (!Allowed({"postcopy-ram", "postcopy-preempt"})) GTEST_SKIP() << why_not_;
  Set({{"thread-cpus", LastCpu()}, {"thread-priority", 10}, {"max-postcopy-bandwidth", kMiB}});
  Begin();
  qmp().Execute("migrate-start-postcopy");
  WaitStatus(qmp(), "postcopy-active");
  std::vector<std::string> senders{"live_migration"};
  // Since 8.0, the return path's thread sends the pages that the target requests.
  for (const ThreadInfo& thread : ReadThreads(source_->process().pid()))
    if (thread.name == "mig/src/return") senders.push_back(another_sender_ = thread.name);
  ExpectPlaced(senders, LastCpu(), 10);
  Set({{"max-postcopy-bandwidth", 0}});
  EXPECT_EQ(WaitMigrationEnd(qmp())["status"], "completed");
}

TEST_F(MigrationThreadModes, AContextInUseMayBeDeleted) {
  Start({"-object", "thread-context,id=mig,sched-priority=7,cpu-affinity=" + LastCpu()});
  Set({{"thread-context", "mig"}});
  Begin(2);
  qmp().Execute("object-del", {{"id", "mig"}});
  EXPECT_FALSE(Complete().contains("thread-placement-error"));
  const auto context = [&] {
    const auto threads = ReadThreads(source_->process().pid());
    return std::any_of(threads.begin(), threads.end(),
                       [](const ThreadInfo& thread) { return thread.name == "TC mig"; });
  };
  for (Deadline deadline(kTimeout); context();)
    ASSERT_FALSE(deadline.Passed()) << "the context outlives the migration";
}

/// A cpuset with only the first CPU, during its life. There is at most one at a time.
class FirstCpuOnly {
 public:
  FirstCpuOnly() {
    const std::filesystem::path v1 = "/sys/fs/cgroup/cpuset", v2 = "/sys/fs/cgroup";
    const bool old = std::filesystem::exists(v1 / "cpuset.cpus");
    folder_ = (old ? v1 : v2) / ("stx-" + std::to_string(getpid()));
    std::error_code error;
    if (!std::filesystem::create_directory(folder_, error)) return;
    members_ = (folder_ / (old ? "tasks" : "cgroup.procs")).string();
    usable_ = Write(folder_ / "cpuset.cpus", "0") && Write(folder_ / "cpuset.mems", "0");
  }
  FirstCpuOnly(const FirstCpuOnly&) = delete;
  FirstCpuOnly& operator=(const FirstCpuOnly&) = delete;
  ~FirstCpuOnly() {
    if (members_.empty()) return;
    // Its members need a moment to disappear.
    for (Deadline deadline(kTimeout); rmdir(folder_.c_str()) != 0 && !deadline.Passed();)
      std::this_thread::sleep_for(Milliseconds(5));
    members_.clear();
  }

  bool usable() const { return usable_; }

  /// Runs in the child.
  static bool Join() { return Write(members_, "0"); }

 private:
  static bool Write(const std::filesystem::path& file, const char* text) {
    const int fd = open(file.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const bool done = write(fd, text, strlen(text)) > 0;
    close(fd);
    return done;
  }

  std::filesystem::path folder_;
  bool usable_ = false;
  static std::string members_;
};

std::string FirstCpuOnly::members_;

TEST_F(MigrationThreadModes, CpusOutsideOfTheCpusetAreLeftOutAsLongAsOneIsLeft) {
  const FirstCpuOnly cpuset;
  if (!cpuset.usable()) GTEST_SKIP() << "this host lets the test make no cpuset";
  Start({}, FirstCpuOnly::Join);
  EXPECT_EQ(own_cpus_, "0");
  Set({{"thread-cpus", "0-" + LastCpu()}, {"thread-priority", 10}});
  Begin(2);
  ExpectPlaced({"live_migration", "multifdsend_0", "multifdsend_1"}, "0", 10);
  ExpectNoRefusal(Complete());
  source_.reset();
}

TEST_F(MigrationThreadModes, ACpusetWithoutAnyOfTheCpusIsReportedAndTheMigrationGoesOn) {
  const FirstCpuOnly cpuset;
  if (!cpuset.usable()) GTEST_SKIP() << "this host lets the test make no cpuset";
  Start({}, FirstCpuOnly::Join);
  Set({{"thread-cpus", LastCpu()}});
  Begin(2);
  ExpectPlaced({"live_migration", "multifdsend_0", "multifdsend_1"}, "0", 0);
  const std::string error = Complete().value("thread-placement-error", "");
  EXPECT_NE(error.find("Invalid argument"), std::string::npos) << error;
  source_.reset();
}

TEST_F(MigrationThreadModes, ARefusalIsForgottenWhenTheNextMigrationBeginsEvenIfItCannotConnect) {
  Start();
  Set({{"thread-cpus", "60000"}});
  Begin();
  qmp().Execute("migrate_cancel");
  EXPECT_TRUE(WaitMigrationEnd(qmp()).contains("thread-placement-error"));
  Set({{"thread-cpus", "all"}});
  // Whether that is an error of the command or of the migration depends on the version.
  try {
    qmp().Execute("migrate", {{"uri", "unix:" + (dir_ / "nobody").string()}});
  } catch (const QmpError&) {
  }
  const json info = WaitMigrationEnd(qmp());
  EXPECT_EQ(info["status"], "failed");
  EXPECT_FALSE(info.contains("thread-placement-error")) << info.dump();
}

}  // namespace
}  // namespace stx
