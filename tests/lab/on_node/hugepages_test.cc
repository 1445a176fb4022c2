// Scenario 5: a pod whose memory is huge pages.
#include <gtest/gtest.h>

#include "harness/memory_map.h"
#include "lab/on_node/on_node.h"

namespace stx {
namespace {

constexpr uint64_t kMiB = 1 << 20;

/// Mounts pages of `size` ("2M", "1G") where Kata looks for them, as many as asked for; ends both.
class PagesAtHand {
 public:
  PagesAtHand(const std::string& size, int count) : pool_(Pool(size)) {
    Shell(
        "umount -q /dev/hugepages || true; mkdir -p /dev/hugepages; mount -t hugetlbfs -o "
        "pagesize=" +
        size + " none /dev/hugepages");
    before_ = Shell("cat " + pool_);
    Shell("echo " + std::to_string(count) + " >" + pool_);
  }
  ~PagesAtHand() {
    try {
      Shell("umount /dev/hugepages; echo " + before_ + " >" + pool_);
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
  }
  int reserved() { return std::stoi(Shell("cat " + pool_)); }

 private:
  static std::string Pool(const std::string& size) {
    return std::string("/sys/kernel/mm/hugepages/hugepages-") +
           (size == "2M" ? "2048" : "1048576") + "kB/nr_hugepages";
  }
  std::string pool_, before_;
};

/// Bytes of huge pages of that size that the process has.
uint64_t HugeBytes(pid_t pid, uint64_t page_kb) {
  const std::string sum =
      Shell("awk '/^KernelPageSize:/ { size = $2 } /^(Shared|Private)_Hugetlb:/ && size == " +
            std::to_string(page_kb) + " { sum += $2 } END { print sum + 0 }' /proc/" +
            std::to_string(pid) + "/smaps");
  return std::stoull(sum) << 10;
}

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
  Fact(std::to_string(memory_mib) + " MiB of a pod in " + std::to_string(bytes / 1024 / page_kb) +
       " pages of " + size);
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
    Fact("with 16 of 128 pages: " + said.substr(at, said.find('\n', at) - at));
  }
}

}  // namespace
}  // namespace stx
