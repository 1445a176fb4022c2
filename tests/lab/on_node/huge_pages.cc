#include "lab/on_node/huge_pages.h"

#include <gtest/gtest.h>

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
  const std::string sum =
      Shell("awk '/^KernelPageSize:/ { size = $2 } /^(Shared|Private)_Hugetlb:/ && size == " +
            std::to_string(page_kb) + " { sum += $2 } END { print sum + 0 }' /proc/" +
            std::to_string(pid) + "/smaps");
  return std::stoull(sum) << 10;
}

}  // namespace stx
