// SPDX-License-Identifier: GPL-2.0-or-later
// Pods one after another and at the same time: none fails, and afterwards the node is as it was
// before.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <set>
#include <vector>

#include "kata/pod_checks.h"
#include "kata/pod_shim.h"
#include "lab/on_node/on_node.h"
#include "lab/on_node/pages_at_hand.h"

namespace stx {
namespace {

/// What a pod could leave behind: processes, files for memory and sockets, huge pages, kernel
/// warnings (except those about unknown AMD MSRs and about a slow machine).
struct Traces {
  std::string processes = Shell("ps axo comm | grep -E '^(qemu|virtiofsd)' | sort || true");
  // Leave out the folder of the Run() that executes this command.
  std::string files = Shell("ls -A /dev/shm /tmp /run/vc 2>/dev/null | grep -v ^stx-qemu- || true");
  std::string huge_pages = Shell("grep ^HugePages_ /proc/meminfo");
  std::string kernel = Shell(
      "dmesg --level=emerg,alert,crit,err,warn | grep -v -e 'Unhandled WRMSR' -e "
      "'kvm_set_msr_common' -e 'hrtimer: interrupt took' || true");
  bool operator==(const Traces&) const = default;
};

void ExpectAsBefore(const Traces& before) {
  const Traces now;
  EXPECT_EQ(now.processes, before.processes);
  EXPECT_EQ(now.files, before.files);
  EXPECT_EQ(now.huge_pages, before.huge_pages);
  EXPECT_EQ(now.kernel, before.kernel);
}

// In huge pages (Kata's enable_hugepages), which save half of the exits of a boot. The ten
// simultaneous pods use /dev/shm.
TEST(Endurance, FiftyPodsOneAfterAnother) {
  PodSettings settings = NodePod();
  settings.hugepages = true;
  PagesAtHand at_hand("2M", static_cast<int>(settings.memory_mib / 2 + 2));
  const Traces before;
  std::vector<Milliseconds> up;
  for (int i = 0; i < 50; ++i) {
    Pod pod(settings);
    ASSERT_EQ(CheckShare(pod), "") << "pod " << i;
    up.push_back(pod.to_guest());
    PodShim(pod).Stop();
  }
  ExpectAsBefore(before);
  std::sort(up.begin(), up.end());
  ReportFact("50 pods, guest up after " + Text(up.front()) + " to " + Text(up.back()) +
             ", median " + Text(up[25]));
}

TEST(Endurance, TenPodsAtOnce) {
  const Traces before;
  {
    std::vector<std::unique_ptr<Pod>> pods;
    for (int i = 0; i < 10; ++i) {
      PodSettings settings = NodePod();
      settings.console_log += std::to_string(i);
      pods.push_back(std::make_unique<Pod>(settings));
    }
    std::set<std::string> boots;
    for (const auto& pod : pods) {
      EXPECT_EQ(CheckShare(*pod), "");
      boots.insert(pod->agent().Read("/proc/sys/kernel/random/boot_id"));
    }
    EXPECT_EQ(boots.size(), pods.size());
    ReportFact("10 pods at once, the last guest up after " + Text(pods.back()->to_guest()));
    for (const auto& pod : pods) PodShim(*pod).Stop();
  }
  ExpectAsBefore(before);
}

}  // namespace
}  // namespace stx
