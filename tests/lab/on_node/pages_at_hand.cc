// SPDX-License-Identifier: GPL-2.0-or-later
#include "lab/on_node/pages_at_hand.h"

#include <gtest/gtest.h>

#include "harness/host/memory_map.h"
#include "lab/on_node/on_node.h"

namespace stx {

PagesAtHand::PagesAtHand(const std::string& size, int count)
    : pool_(std::string("/sys/kernel/mm/hugepages/hugepages-") +
            (size == "2M" ? "2048" : "1048576") + "kB/nr_hugepages") {
  Shell(
      "umount -q /dev/hugepages || true; mkdir -p /dev/hugepages; mount -t hugetlbfs -o "
      "pagesize=" +
      size + " none /dev/hugepages");
  before_ = Shell("cat " + pool_);
  Shell("echo " + std::to_string(count) + " >" + pool_);
}

PagesAtHand::~PagesAtHand() {
  try {
    Shell("umount /dev/hugepages; echo " + before_ + " >" + pool_);
  } catch (const std::exception& error) {
    ADD_FAILURE() << error.what();
  }
}

int PagesAtHand::reserved() const { return std::stoi(Shell("cat " + pool_)); }

uint64_t HugeBytes(pid_t pid, uint64_t page_kb) {
  uint64_t bytes = 0;
  for (const Mapping& mapping : ReadMappings(pid))
    if (mapping.page_size == page_kb * 1024) bytes += mapping.hugetlb;
  return bytes;
}

}  // namespace stx
