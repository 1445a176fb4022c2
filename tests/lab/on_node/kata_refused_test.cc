// SPDX-License-Identifier: GPL-2.0-or-later
// Hosts and configurations on which no container starts: what an operator is told and where, and
// that nothing stays once containerd's caller has given up.
#include <gtest/gtest.h>

#include "harness/host/threads.h"
#include "lab/on_node/kata_configuration.h"
#include "lab/on_node/kata_container.h"
#include "lab/on_node/on_node.h"
#include "lab/on_node/pages_at_hand.h"

namespace stx {
namespace {

class KataRefused : public testing::Test {
 protected:
  static void SetUpTestSuite() { PrepareContainerd(); }

  /// The line of the message that has `expected`.
  static std::string LineOf(const std::string& message, const std::string& expected) {
    const size_t at = message.find(expected);
    const size_t begin = message.rfind('\n', at);
    return message.substr(begin == std::string::npos ? 0 : begin + 1,
                          message.find('\n', at) - (begin == std::string::npos ? 0 : begin + 1));
  }

  static void Expect(const std::vector<std::string>& flags, const std::string& expected) {
    const KataRefusal refusal = RefusedContainer("lab-refused", flags, expected);
    ASSERT_NE(refusal.message.find(expected), std::string::npos) << refusal.message;
    ReportFact(
        std::string(refusal.at_once ? "ctr: " : "the journal alone, while the shim waits: ") +
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

TEST_F(KataRefused, SharedMemoryThatIsFull) {
  // virtio-fs needs shared memory, which Kata takes from /dev/shm; mem-prealloc touches all of it.
  Shell("mount -o remount,size=64M /dev/shm");
  KataConfiguration configuration({{"hypervisor.qemu", "enable_mem_prealloc", "true"}});
  try {
    Expect(configuration.Flags(), "/dev/shm");
  } catch (...) {
    Shell("mount -o remount,size=50% /dev/shm");
    throw;
  }
  Shell("mount -o remount,size=50% /dev/shm");
}

}  // namespace
}  // namespace stx
