// SPDX-License-Identifier: GPL-2.0-or-later
// Scenarios 1 to 6 of StarlingX's specification with a release of Kata: containerd, Kata's shim,
// guest and agent, on our QEMU with our configuration (debian/kata). What ctr cannot express is not
// tested here: pods of Kubernetes (a RuntimeClass, kubelet's CPU manager) and CNI plugins.
#include <gtest/gtest.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/process.h"
#include "harness/host/threads.h"
#include "lab/on_node/kata_container.h"
#include "lab/on_node/on_node.h"
#include "lab/on_node/pages_at_hand.h"
#include "lab/on_node/pod_network.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

constexpr const char* kAnnotation = "io.katacontainers.config.hypervisor.";

/// The CPUs on which a thread of a process may run; empty if there is no such thread.
std::string CpusOf(pid_t pid, pid_t tid) {
  for (const ThreadInfo& thread : ReadThreads(pid))
    if (thread.tid == tid) return thread.cpus;
  return "";
}

class Kata : public KataTest {};

TEST_F(Kata, ContainerHasItsOwnKernel) {
  // How the node's containerd is configured for the handler that Kubernetes would request.
  const std::string config = Shell("containerd config dump");
  EXPECT_NE(config.find("runtime_type = \"io.containerd.kata.v2\""), std::string::npos) << config;
  EXPECT_NE(config.find("ConfigPath = \"/etc/kata-containers/configuration-qemu.toml\""),
            std::string::npos)
      << config;
  EXPECT_EQ(Shell("ctr plugins ls id==cri | tail -n 1 | awk '{ print $2, $4 }'"), "cri ok\n");
  KataContainer container("lab-basic");
  const std::string release = Trimmed(container.Shell("uname -r"));
  utsname node{};
  uname(&node);
  EXPECT_NE(release, node.release);
  const fs::path qemu = fs::read_symlink("/proc/" + std::to_string(container.Qemu()) + "/exe");
  EXPECT_EQ(qemu, "/usr/bin/qemu-system-x86_64-kata");
  ReportFact("the container's kernel is " + release + ", the node's " + node.release + "; on " +
             Trimmed(Shell(qemu.string() + " --version | head -n 1")));
  container.End();
}

TEST_F(Kata, VcpusStayInTheContainersCpuset) {
  const std::string last = std::to_string(sysconf(_SC_NPROCESSORS_ONLN) - 1);
  // What kubelet's static policy writes into a container's specification; ctr has no flag for it.
  nlohmann::json specification = nlohmann::json::parse(Shell("ctr oci spec"));
  specification["linux"]["resources"]["cpu"]["cpus"] = last;
  KataContainer container("lab-static", {}, specification.dump());
  container.Shell("timeout 3 md5sum /dev/zero || true");
  const pid_t qemu = container.Qemu();
  const std::vector<pid_t> vcpus = container.Vcpus();
  ASSERT_FALSE(vcpus.empty());
  for (const pid_t vcpu : vcpus) EXPECT_EQ(CpusOf(qemu, vcpu), last) << "vCPU thread " << vcpu;
  // With cgroup v1 Kata leaves the other threads in a group of its own without limits,
  // /kata_overhead; a group of v2 takes the whole process.
  const std::string all = "0-" + last;
  const bool cgroup_v2 = fs::exists("/sys/fs/cgroup/cgroup.controllers");
  std::string others;
  for (const ThreadInfo& thread : ReadThreads(qemu)) {
    if (std::find(vcpus.begin(), vcpus.end(), thread.tid) != vcpus.end()) continue;
    EXPECT_EQ(thread.cpus, cgroup_v2 ? last : all) << "thread " << thread.tid;
    others += " " + thread.cpus;
  }
  ReportFact(std::to_string(vcpus.size()) + " vCPU on CPU " + last +
             " alone; QEMU's other threads on" + others);
  container.End();
}

TEST_F(Kata, AVcpuComesAndGoesWithAContainersLimit) {
  const std::string all = "0-" + std::to_string(sysconf(_SC_NPROCESSORS_ONLN) - 1);
  KataContainer pod("lab-floating", InPod("lab-floating", "sandbox"));
  EXPECT_EQ(pod.Vcpus().size(), 1u);
  {
    std::vector<std::string> flags = InPod("lab-floating", "container");
    flags.insert(flags.end(), {"--cpus", "1"});
    KataContainer worker("lab-worker", flags);
    const std::vector<pid_t> vcpus = pod.Vcpus();
    EXPECT_EQ(vcpus.size(), 2u);
    for (const pid_t vcpu : vcpus) EXPECT_EQ(CpusOf(pod.Qemu(), vcpu), all) << vcpu;
    EXPECT_EQ(Trimmed(worker.Shell("grep -c ^processor /proc/cpuinfo")), "2");
    worker.End();
  }
  // Kata computes the number again when the next container starts.
  KataContainer idle("lab-idle", InPod("lab-floating", "container"));
  EXPECT_EQ(pod.Vcpus().size(), 1u);
  EXPECT_EQ(Trimmed(idle.Shell("grep -c ^processor /proc/cpuinfo")), "1");
  ReportFact("1, 2 and again 1 vCPU, on any of CPUs " + all);
  idle.End();
  pod.End();
}

TEST_F(Kata, AVirtualFunctionIsInThePod) {
  const std::string address = VirtualFunction();
  const std::string group =
      "/dev/vfio/" +
      fs::read_symlink("/sys/bus/pci/devices/" + address + "/iommu_group").filename().string();
  // Finds QEMU's NVMe by its class. Whether the guest's kernel has a driver for it depends on the
  // Kata release, so no data is compared here; the scenario sriov does that.
  const std::string count = "cat /sys/bus/pci/devices/*/class | grep -c ^0x0108 || true";
  for (const char* id : {"lab-sriov-once", "lab-sriov-again"}) {
    KataContainer container(id, {"--device", group});
    EXPECT_EQ(Trimmed(container.Shell(count)), "1");
    const std::string open =
        Shell("ls -l /proc/" + std::to_string(container.Qemu()) + "/fd | grep -c " + group + "$");
    EXPECT_EQ(Trimmed(open), "1");
    container.End();
  }
  ReportFact(address + " (" + group + ") was in two pods, one after the other");
}

class KataHugepages : public Kata {
 protected:
  static void RunOn(const std::string& size, uint64_t page_kb, unsigned memory_mib) {
    const int pages = static_cast<int>((uint64_t{memory_mib} << 10) / page_kb);
    PagesAtHand at_hand(size, pages);
    ASSERT_GE(at_hand.reserved(), pages) << "the node has not so many pages of " << size;
    KataContainer container(
        "lab-pages",
        {"--annotation", kAnnotation + std::string("enable_hugepages=true"), "--annotation",
         kAnnotation + std::string("default_memory=") + std::to_string(memory_mib)});
    EXPECT_EQ(HugeBytes(container.Qemu(), page_kb), uint64_t{memory_mib} << 20);
    ReportFact(std::to_string(memory_mib) + " MiB of a container's pod in pages of " + size);
    container.End();
  }
};

TEST_F(KataHugepages, Of2MiB) { RunOn("2M", 2048, 512); }
TEST_F(KataHugepages, Of1GiB) { RunOn("1G", 1048576, 1024); }

class KataIpv6 : public Kata, public testing::WithParamInterface<int> {};

TEST_P(KataIpv6, ContainerIsReachedAndReaches) {
  const int mtu = GetParam();
  PodNetwork network(mtu);
  KataContainer container("lab-ipv6", PodNetwork::Flags());
  EXPECT_NE(Shell("ls -l /proc/" + std::to_string(container.Qemu()) + "/fd").find("/dev/vhost-net"),
            std::string::npos);
  EXPECT_EQ(Trimmed(container.Shell("cat /sys/class/net/eth0/mtu")), std::to_string(mtu));
  const std::string payload = std::to_string(mtu - 48);  // IPv6 and ICMPv6
  // The guest may still be checking that its address is unique.
  container.Shell(
      "for i in 1 2 3 4 5 6 7 8; do ping -6 -c 1 -W 1 fd00:6b61::1 >/dev/null 2>&1 && break; "
      "sleep 0.5; done");
  container.Shell("ping -6 -c 3 -W 5 -s " + payload + " fd00:6b61::1");
  Shell("ping -6 -c 3 -i 0.2 -W 5 -M do -s " + payload + " fd00:6b61::2");
  // A megabyte in both directions over TCP.
  container.Shell("nc -l -p 7 -e cat </dev/null >/dev/null 2>&1 &");
  TempDir dir;
  const std::string sent = (dir / "sent").string(), back = (dir / "back").string();
  Shell("head -c 1048576 /dev/urandom >" + sent +
        "; socat -t 10 - TCP6:[fd00:6b61::2]:7,retry=20,interval=0.2 <" + sent + " >" + back);
  EXPECT_TRUE(ReadFile(sent) == ReadFile(back)) << "other bytes came back";
  ReportFact("MTU " + std::to_string(mtu) +
             ": echo both ways at full size, 1 MiB of TCP there and back");
  container.End();
}

INSTANTIATE_TEST_SUITE_P(Mtu, KataIpv6, testing::Values(1500, 9000));

}  // namespace
}  // namespace stx
