// SPDX-License-Identifier: GPL-2.0-or-later
// Hosts and configurations on which no container starts: what an operator is told and where, and
// that nothing stays once containerd's caller has given up.
#include <gtest/gtest.h>

#include <sstream>

#include "harness/host/threads.h"
#include "lab/on_node/kata_configuration.h"
#include "lab/on_node/kata_container.h"
#include "lab/on_node/on_node.h"
#include "lab/on_node/pages_at_hand.h"

namespace stx {
namespace {

class KataRefused : public KataTest {
 protected:
  /// The line of `message` that holds `expected`, which must be there.
  static std::string LineOf(const std::string& message, const std::string& expected) {
    std::istringstream lines(message);
    std::string line;
    while (std::getline(lines, line) && line.find(expected) == std::string::npos) continue;
    return line;
  }

  static void Expect(const std::vector<std::string>& flags, const std::string& expected) {
    const KataRefusal refusal = StartRefused("lab-refused", flags, expected);
    ASSERT_NE(refusal.message.find(expected), std::string::npos) << refusal.message;
    ReportFact(std::string(refusal.by_ctr ? "ctr: " : "the journal alone, while the shim waits: ") +
               LineOf(refusal.message, expected).substr(0, 300));
    if (!refusal.left.empty()) ReportFact("left until its caller cleaned up: " + refusal.left);
  }
};

TEST_F(KataRefused, AnAcceleratorThatThereIsNot) {
  KataConfiguration configuration({{"hypervisor.qemu", "machine_accelerators", "\"nonsense\""}});
  Expect(configuration.Flags(), "nonsense");
}

TEST_F(KataRefused, AnImageThatThereIsNot) {
  KataConfiguration configuration({{"hypervisor.qemu", "image", "\"/usr/share/no-such.img\""}});
  Expect(configuration.Flags(), "/usr/share/no-such.img");
}

TEST_F(KataRefused, TooFewHugePages) {
  PagesAtHand at_hand("2M", 16);
  Expect({"--annotation", "io.katacontainers.config.hypervisor.enable_hugepages=true"},
         "Cannot allocate memory");
}

/// /dev/shm of 64 MiB, less than a pod's memory.
class SmallSharedMemory {
 public:
  SmallSharedMemory() { Shell("mount -o remount,size=64M /dev/shm"); }
  ~SmallSharedMemory() { EXPECT_NO_THROW(Shell("mount -o remount,size=50% /dev/shm")); }
};

TEST_F(KataRefused, SharedMemoryThatIsFull) {
  // Kata takes the memory of a pod with virtio-fs from /dev/shm; enable_mem_prealloc uses all of
  // it.
  SmallSharedMemory small;
  KataConfiguration configuration({{"hypervisor.qemu", "enable_mem_prealloc", "true"}});
  Expect(configuration.Flags(), "preallocating memory failed");
}

}  // namespace
}  // namespace stx
