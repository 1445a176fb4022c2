// SPDX-License-Identifier: GPL-2.0-or-later
// 2 MiB pages of the machine (vm.nr_hugepages), reserved for a test and returned afterwards.
#pragma once

#include <cstdint>

namespace stx {

class HugePages {
 public:
  static constexpr uint64_t kSize = 2 << 20;

  /// Reserves `count` pages in addition to those that are reserved now. The kernel may find fewer.
  explicit HugePages(int count);
  ~HugePages();
  HugePages(const HugePages&) = delete;
  HugePages& operator=(const HugePages&) = delete;
  /// False if the machine does not have so many pages, or does not let us reserve them.
  bool enough() const { return enough_; }

 private:
  int count_;
  bool enough_ = false;
};

}  // namespace stx
