// SPDX-License-Identifier: GPL-2.0-or-later
// What a pod's boot costs the host on hardware: the exits of its vCPU, as KVM counts them.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "base/os.h"
#include "lab/on_node/on_node.h"

namespace stx {
namespace {

/// KVM's counters, and what they count (Linux, arch/x86/include/asm/kvm_host.h).
const std::vector<std::pair<const char*, const char*>> kKinds = {
    {"exits", "exits"},          {"io_exits", "ports"},   {"mmio_exits", "device memory"},
    {"pf_fixed", "pages"},       {"halt_exits", "halts"}, {"irq_exits", "interrupts"},
    {"hypercalls", "hypercalls"}};

/// Counters of the only virtual machine of `process`, from its start until now.
std::map<std::string, long> ReadExits(pid_t process) {
  const std::string folder = Trimmed(
      Shell("mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug\n"
            "ls -d /sys/kernel/debug/kvm/" +
            std::to_string(process) + "-*"));
  std::map<std::string, long> exits;
  for (const auto& [file, kind] : kKinds) exits[kind] = std::stol(ReadFile(folder + "/" + file));
  return exits;
}

/// Of one pod, from its start until the first program of its guest has called.
std::map<std::string, long> CountBoot(const std::string& qemu) {
  PodSettings settings = NodePod();
  settings.qemu = qemu;
  Pod pod(settings);
  pod.agent();
  return ReadExits(pod.qemu().process().pid());
}

TEST(PodExits, AreNotMoreThanWithDebiansQemu) {
  // The least of several boots: what the kernel polls depends on when it is interrupted.
  constexpr int kBoots = 3;
  const std::string debians = "/usr/lib/lab/bin/qemu-debian", our = QemuBinary();
  std::map<std::string, long> debian, ours;
  for (int boot = 0; boot < kBoots; ++boot) {
    for (auto& [least, qemu] : {std::tie(debian, debians), std::tie(ours, our)}) {
      for (const auto& [kind, count] : CountBoot(qemu)) {
        const auto known = least.emplace(kind, count).first;
        known->second = std::min(known->second, count);
      }
    }
  }
  std::string fact;
  for (const auto& [file, kind] : kKinds)
    fact += (fact.empty() ? "" : ", ") + std::string(kind) + " " + std::to_string(ours.at(kind)) +
            " (" + std::to_string(debian.at(kind)) + ")";
  ReportFact("until user space, with Debian's QEMU in brackets: " + fact);
  // Those that a device makes hardly vary; interrupts do, with the node's speed.
  for (const char* kind : {"ports", "device memory"})
    EXPECT_LE(ours.at(kind), debian.at(kind) * 105 / 100) << kind << "; " << fact;
}

}  // namespace
}  // namespace stx
