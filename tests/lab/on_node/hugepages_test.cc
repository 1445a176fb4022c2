// SPDX-License-Identifier: GPL-2.0-or-later
// Scenario 5: a pod whose memory is in huge pages.
#include <gtest/gtest.h>

#include "lab/on_node/on_node.h"
#include "lab/on_node/pages_at_hand.h"

namespace stx {
namespace {

constexpr uint64_t kMiB = 1 << 20;

void PodOn(const std::string& size, uint64_t page_kb, int pages, unsigned memory_mib) {
  PagesAtHand at_hand(size, pages);
  ASSERT_GE(at_hand.reserved(), pages) << "the node has not so many pages of " << size;
  PodSettings settings = NodePod();
  settings.hugepages = true;
  settings.memory_mib = memory_mib;
  Pod pod(settings);
  pod.agent();
  const uint64_t bytes = HugeBytes(pod.qemu().process().pid(), page_kb);
  EXPECT_EQ(bytes, memory_mib * kMiB);
  ReportFact(std::to_string(memory_mib) + " MiB of a pod in " +
             std::to_string(bytes / 1024 / page_kb) + " pages of " + size);
}

TEST(Hugepages, PodOn2MiBPages) { PodOn("2M", 2048, 130, 256); }
TEST(Hugepages, PodOn1GiBPages) { PodOn("1G", 1048576, 1, 1024); }

TEST(Hugepages, NotEnoughOfThemIsAClearError) {
  PagesAtHand at_hand("2M", 16);
  PodSettings settings = NodePod();
  settings.hugepages = true;
  try {
    Pod pod(settings);
    FAIL() << "it started";
  } catch (const std::exception& error) {
    const std::string said = error.what();
    EXPECT_NE(said.find("emory"), std::string::npos) << said;
    const size_t at = said.find("qemu-system");
    ReportFact("with 16 of 128 pages: " + said.substr(at, said.find('\n', at) - at));
  }
}

}  // namespace
}  // namespace stx
