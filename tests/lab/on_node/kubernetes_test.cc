// SPDX-License-Identifier: GPL-2.0-or-later
// Pods of docs/pods.md, which kubectl creates on a node with a control plane of its own (AIO-SX):
// the RuntimeClass, kubelet's CPU manager and containerd's CRI plugin decide what Kata is told.
#include "lab/on_node/kubernetes.h"

#include <gtest/gtest.h>
#include <sys/utsname.h>

#include <nlohmann/json.hpp>

#include "base/process.h"
#include "lab/on_node/on_node.h"

namespace stx {
namespace {

std::string Joined(const std::vector<std::string>& words) {
  std::string all;
  for (const std::string& word : words) all += (all.empty() ? "" : ", ") + word;
  return all;
}

/// A pod of the page under another name, for runc.
std::string ForRunc(std::string yaml, const std::string& name) {
  const std::string line = "  runtimeClassName: kata\n", begin = "\n  name: ";
  yaml.erase(yaml.find(line), line.size());
  const size_t at = yaml.find(begin) + begin.size();
  return yaml.replace(at, yaml.find('\n', at) - at, name);
}

TEST(KubernetesPod, HasTheKernelAndTheOverheadOfItsRuntimeClass) {
  StartKubernetes({});
  utsname node{};
  uname(&node);
  const std::string yaml = ObjectOfPage("Pod", "plain");
  KubePod pod(yaml), beside(ForRunc(yaml, "plain-runc"));
  const std::string kernel = Trimmed(pod.Shell("uname -r"));
  EXPECT_NE(kernel, node.release);
  EXPECT_EQ(Trimmed(beside.Shell("uname -r")), node.release);
  const std::string overhead = pod.Field(".spec.overhead");
  EXPECT_NE(overhead.find("memory"), std::string::npos) << overhead;
  EXPECT_EQ(overhead,
            Kubectl({"get", "runtimeclass", "kata", "-o", "jsonpath={.overhead.podFixed}"}));
  EXPECT_EQ(beside.Field(".spec.overhead"), "");
  const std::string exe = "/proc/" + std::to_string(pod.Qemu()) + "/exe";
  EXPECT_EQ(Trimmed(Shell("readlink " + exe)), "/usr/bin/qemu-system-x86_64-kata");
  ReportFact("the pod's kernel is " + kernel + ", that of the node and of runc's pod " +
             node.release + "; overhead " + overhead + "; Ready after " + Text(pod.to_ready()) +
             ", runc's after " + Text(beside.to_ready()));
}

/// What kubelet's static policy gave to the only container with CPUs of its own, as in "2-3".
std::string AssignedCpus() {
  const auto state = nlohmann::json::parse(ReadFile("/var/lib/kubelet/cpu_manager_state"));
  std::string cpus;
  for (const auto& pod : state.value("entries", nlohmann::json::object()))
    for (const auto& container : pod) {
      EXPECT_EQ(cpus, "") << "more than one: " << state;
      cpus = container.get<std::string>();
    }
  return cpus;
}

class KubernetesStatic : public testing::TestWithParam<bool> {};

TEST_P(KubernetesStatic, AGuaranteedPodHasItsCpusForItself) {
  StartKubernetes({.cpu_manager = "static", .cfs_quota = GetParam()});
  KubePod pod(ObjectOfPage("Pod", "static-cpus"));
  EXPECT_EQ(pod.Field(".status.qosClass"), "Guaranteed");
  const std::string assigned = AssignedCpus();
  EXPECT_NE(assigned, "");
  pod.Shell("timeout 3 md5sum /dev/zero || true");
  const std::vector<std::string> cpus = pod.VcpuCpus();
  // docs/pods.md: one vCPU more than the pod has CPUs.
  EXPECT_EQ(cpus.size(), 3u);
  for (const std::string& vcpu : cpus) EXPECT_EQ(vcpu, assigned);
  EXPECT_EQ(Trimmed(pod.Shell("grep -c ^processor /proc/cpuinfo")), "3");
  ReportFact(std::string(GetParam() ? "with" : "without") + " CFS quota: kubelet assigned CPUs " +
             assigned + "; the CPUs of the vCPU threads: " + Joined(cpus) + "; Ready after " +
             Text(pod.to_ready()));
}

INSTANTIATE_TEST_SUITE_P(CfsQuota, KubernetesStatic, testing::Bool(),
                         [](const auto& info) { return info.param ? "On" : "Off"; });

TEST(KubernetesPod, FloatsOverAllCpusWithoutACpuPolicy) {
  StartKubernetes({});
  KubePod pod(ObjectOfPage("Pod", "static-cpus"));
  const std::vector<std::string> cpus = pod.VcpuCpus();
  EXPECT_EQ(cpus.size(), 3u);
  const std::string all = Trimmed(Shell("cat /sys/devices/system/cpu/online"));
  for (const std::string& vcpu : cpus) EXPECT_EQ(vcpu, all);
  ReportFact("the CPUs of the vCPU threads: " + Joined(cpus));
}

}  // namespace
}  // namespace stx
