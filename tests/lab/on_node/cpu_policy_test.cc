// SPDX-License-Identifier: GPL-2.0-or-later
// Scenarios 2 and 3: kubelet's CPU manager gives a pod exclusive CPUs (policy static) or does not
// (policy none).
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <thread>

#include "base/waiting.h"
#include "harness/host/loop_device.h"
#include "harness/host/threads.h"
#include "kata/pod_agent.h"
#include "kata/pod_shim.h"
#include "lab/on_node/on_node.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

const fs::path kCgroups = "/sys/fs/cgroup";

/// The CPU on which the thread last ran, and its CPU time in clock ticks (proc(5), /proc/PID/stat,
/// fields 39, 14, 15).
struct Ran {
  int cpu;
  long ticks;
};
Ran LastRan(pid_t pid, pid_t tid) {
  const std::string stat =
      ReadFile("/proc/" + std::to_string(pid) + "/task/" + std::to_string(tid) + "/stat");
  std::istringstream fields(stat.substr(stat.rfind(')') + 2));  // from field 3
  std::vector<std::string> values{std::istream_iterator<std::string>(fields), {}};
  return {std::stoi(values.at(39 - 3)),
          std::stol(values.at(14 - 3)) + std::stol(values.at(15 - 3))};
}

/// How many times the thread was scheduled (/proc/PID/task/TID/schedstat, field 3).
long TimesRun(pid_t pid, pid_t tid) {
  std::istringstream fields(
      ReadFile("/proc/" + std::to_string(pid) + "/task/" + std::to_string(tid) + "/schedstat"));
  long run, waited, times;
  fields >> run >> waited >> times;
  return times;
}

/// A pod's control group in the runtime's layout: vCPU threads on exclusive CPUs, and everything
/// else on other CPUs.
class PinnedGroup {
 public:
  PinnedGroup(pid_t pid, const std::vector<pid_t>& vcpus, const std::string& exclusive,
              const std::string& shared)
      : group_(kCgroups / ("lab-" + std::to_string(pid))) {
    WriteFile(kCgroups / "cgroup.subtree_control", "+cpuset");
    fs::create_directory(group_);
    WriteFile(group_ / "cgroup.procs", std::to_string(pid));
    for (const auto& [name, cpus] :
         {std::pair{"vcpus", exclusive}, std::pair{"overhead", shared}}) {
      fs::create_directory(group_ / name);
      WriteFile(group_ / name / "cgroup.type", "threaded");
    }
    WriteFile(group_ / "cgroup.subtree_control", "+cpuset");
    WriteFile(group_ / "vcpus/cpuset.cpus", exclusive);
    WriteFile(group_ / "overhead/cpuset.cpus", shared);
    for (const ThreadInfo& thread : ReadThreads(pid)) {
      const bool vcpu = std::find(vcpus.begin(), vcpus.end(), thread.tid) != vcpus.end();
      WriteFile(group_ / (vcpu ? "vcpus" : "overhead") / "cgroup.threads",
                std::to_string(thread.tid));
    }
  }
  /// The processes in it must have ended.
  ~PinnedGroup() {
    HoldsBefore(Deadline(Milliseconds(1000)), [&] {
      for (const fs::path& folder : {group_ / "vcpus", group_ / "overhead", group_})
        rmdir(folder.c_str());
      return !fs::exists(group_);
    });
  }

 private:
  fs::path group_;
};

TEST(StaticCpus, VcpusRunOnTheirExclusiveCpuAndNothingElseOfThePodDoes) {
  TempDir dir;
  WriteFile(dir / "disk", std::string(16 << 20, 'd'));
  std::string why_not;
  auto disk = LoopDevice::Make(dir / "disk", &why_not);
  ASSERT_TRUE(disk) << why_not;
  std::optional<PinnedGroup> group;
  Pod pod(NodePod());
  PodShim shim(pod);
  GuestAgent& guest = pod.agent();
  const pid_t pid = pod.qemu().process().pid();
  const std::vector<pid_t> vcpus = shim.GetVcpuThreads();
  const std::string last = std::to_string(sysconf(_SC_NPROCESSORS_ONLN) - 1);
  group.emplace(pid, vcpus, last, "0");

  // Load for the vCPU, and for worker threads that do not exist yet.
  const std::string name =
      FindBlock(guest, shim.AddBlock("lab", disk->path(), BlockDriver::kScsi, false, "threads"));
  guest.Exec({"sh", "-c",
              "(for i in 1 2 3 4 5 6 7 8; do dd if=/dev/" + name +
                  " of=/dev/null bs=64k iflag=direct; done; md5sum /dev/zero) </dev/null "
                  ">/dev/null 2>&1 &"});
  // Where each thread has run since then. A thread that has not run still reports its earlier CPU.
  std::map<pid_t, std::set<int>> ran;
  std::map<pid_t, long> times_before;
  for (const ThreadInfo& thread : ReadThreads(pid))
    times_before[thread.tid] = TimesRun(pid, thread.tid);
  const long ticks_before = LastRan(pid, vcpus[0]).ticks;
  for (const Deadline deadline(Milliseconds(6000)); !deadline.Passed();
       std::this_thread::sleep_for(Milliseconds(5)))
    for (const ThreadInfo& thread : ReadThreads(pid)) {
      EXPECT_EQ(thread.cpus, thread.tid == vcpus[0] ? last : "0") << thread.name;
      try {
        if (TimesRun(pid, thread.tid) > times_before[thread.tid])
          ran[thread.tid].insert(LastRan(pid, thread.tid).cpu);
      } catch (const std::system_error&) {
        // The thread has ended.
      }
    }
  const long ticks = LastRan(pid, vcpus[0]).ticks - ticks_before;
  EXPECT_GT(ticks, sysconf(_SC_CLK_TCK)) << "the vCPU was not at work";
  EXPECT_EQ(ran[vcpus[0]], std::set<int>{std::stoi(last)});
  ran.erase(vcpus[0]);
  for (const auto& [tid, cpus] : ran) EXPECT_EQ(cpus, std::set<int>{0}) << tid;
  EXPECT_GE(ran.size(), 2u) << "the main thread and a worker";
  ReportFact("the vCPU ran on CPU " + last + " alone for " + std::to_string(ticks * 10) + " ms; " +
             std::to_string(ran.size()) + " other threads of the pod on CPU 0 alone");
  shim.Stop();
}

TEST(FloatingCpus, AVcpuIsAddedUsedAndRemoved) {
  PodSettings settings = NodePod();
  settings.max_vcpus = 2;
  Pod pod(settings);
  PodShim shim(pod);
  GuestAgent& guest = pod.agent();
  const pid_t pid = pod.qemu().process().pid();
  EXPECT_EQ(CountOnlineCpus(guest), 1u);
  shim.AddVcpu();
  OnlineCpus(guest, 2);
  const std::vector<pid_t> vcpus = shim.GetVcpuThreads();
  ASSERT_EQ(vcpus.size(), 2u);
  const std::string all = "0-" + std::to_string(sysconf(_SC_NPROCESSORS_ONLN) - 1);
  for (const ThreadInfo& thread : ReadThreads(pid)) EXPECT_EQ(thread.cpus, all) << thread.name;

  guest.Exec({"sh", "-c",
              "for i in 1 2; do timeout 120 md5sum /dev/zero </dev/null >/dev/null 2>&1 & "
              "echo $! >>/tmp/load; done"});
  const long before[] = {LastRan(pid, vcpus[0]).ticks, LastRan(pid, vcpus[1]).ticks};
  for (size_t i : {0, 1})
    WaitUntil("vCPU " + std::to_string(i) + " has worked for a second",
              Deadline(Milliseconds(60000)),
              [&] { return LastRan(pid, vcpus[i]).ticks - before[i] > sysconf(_SC_CLK_TCK); });
  guest.MustExec({"sh", "-c", "kill $(cat /tmp/load)"});
  shim.RemoveVcpu();
  EXPECT_EQ(CountOnlineCpus(guest), 1u);
  EXPECT_EQ(shim.GetVcpuThreads().size(), 1u);
  ReportFact("1, 2 and again 1 vCPU; both worked, on any of CPUs " + all);
}

}  // namespace
}  // namespace stx
