// SPDX-License-Identifier: GPL-2.0-or-later
// What the tests of mem-lock-guest-ram.patch share: machines, limits, and the check of what is
// locked.
#pragma once

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/prctl.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "harness/host/memory_map.h"
#include "harness/qemu/qemu.h"
#include "harness/qemu/ram_blocks.h"

namespace stx {

inline constexpr uint64_t kKiB = 1 << 10, kMiB = 1 << 20;
inline constexpr uint64_t kRam = 64 * kMiB;

/// Without this capability, RLIMIT_MEMLOCK applies to a child of root as to everyone else.
inline bool DropIpcLock() { return prctl(PR_CAPBSET_DROP, CAP_IPC_LOCK) == 0; }

/// With room for `kRam` and DIMMs. If `mem_lock` is empty, the option is left out.
inline QemuOptions MakeMachine(const std::string& mem_lock,
                               const std::vector<std::string>& more = {}) {
  QemuOptions options;
  options.qtest = true;
  options.args = {"-M", "q35", "-m", "64M,slots=4,maxmem=2G"};
  if (!mem_lock.empty())
    options.args.insert(options.args.end(), {"-overcommit", "mem-lock=" + mem_lock});
  options.args.insert(options.args.end(), more.begin(), more.end());
  return options;
}

/// A machine whose RAM blocks, including 2 MiB of RAM, fit into the 8 MiB that an unprivileged
/// process usually may lock.
inline QemuOptions SmallMachine(const std::string& mem_lock,
                                const std::vector<std::string>& more = {}) {
  QemuOptions options = MakeMachine(mem_lock, {"-m", "2M,slots=4,maxmem=2G", "-nodefaults"});
  options.args.insert(options.args.end(), more.begin(), more.end());
  return options;
}

inline QemuOptions Limited(QemuOptions options, uint64_t limit) {
  options.spawn.memlock_limit = limit;
  options.spawn.before_exec = DropIpcLock;
  return options;
}

class MemLockGuestRam : public testing::Test {
 protected:
  void SetUp() override {
    if (IsSanitized()) GTEST_SKIP() << "AddressSanitizer's mlock() does nothing";
  }
};

inline constexpr uint64_t kSmallLimit = 7 * kMiB;

/// With RLIMIT_MEMLOCK in force, up to kSmallLimit.
class MemLockLimit : public MemLockGuestRam {
 protected:
  void SetUp() override {
    MemLockGuestRam::SetUp();
    if (IsSkipped()) return;
    SpawnOptions options;
    options.memlock_limit = kSmallLimit;
    options.before_exec = DropIpcLock;
    try {
      Process process({"true"}, options);
    } catch (const std::exception& error) {
      GTEST_SKIP() << "RLIMIT_MEMLOCK cannot be set to 7 MiB without CAP_IPC_LOCK here: "
                   << error.what();
    }
  }
};

inline uint64_t Locked(Qemu& qemu) { return ReadStatusSize(qemu.process().pid(), "VmLck"); }

/// The used size of a SmallMachine's RAM blocks, which mem-lock=on has to lock.
inline uint64_t SmallMachineBlocks(const std::vector<std::string>& more = {}) {
  Qemu qemu(SmallMachine("", more));
  uint64_t sum = 0;
  for (const RamBlock& block : ReadRamBlocks(qemu.qmp())) sum += block.used;
  return sum;
}

/// The used part of each RAM block must be locked and completely resident, as a mapping of its own
/// (a guard page follows every block), and nothing else may be locked. Huge pages count as locked
/// if they are resident, because the kernel never marks them.
inline void ExpectGuestRamLockedAndOnlyIt(Qemu& qemu) {
  std::vector<uint64_t> want, got, huge_want, huge_got;
  uint64_t sum = 0;
  for (const RamBlock& block : ReadRamBlocks(qemu.qmp())) {
    (block.page_size > 4096 ? huge_want : want).push_back(block.used);
    if (block.page_size == 4096) sum += block.used;
  }
  std::string locked;
  for (const Mapping& mapping : ReadMappings(qemu.process().pid())) {
    if (mapping.flags.contains("ht")) huge_got.push_back(mapping.hugetlb);
    if (!mapping.is_locked()) continue;
    locked += mapping.ToString() + "\n";
    EXPECT_FALSE(mapping.is_code()) << mapping.ToString();
    EXPECT_EQ(mapping.resident, mapping.size()) << mapping.ToString();
    got.push_back(mapping.size());
  }
  for (auto* sizes : {&want, &got, &huge_want, &huge_got}) std::sort(sizes->begin(), sizes->end());
  EXPECT_EQ(got, want) << qemu.qmp().Hmp("info ramblock") << locked;
  EXPECT_EQ(huge_got, huge_want);
  EXPECT_EQ(Locked(qemu), sum);
}

}  // namespace stx
