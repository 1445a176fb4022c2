// SPDX-License-Identifier: GPL-2.0-or-later
// 2 MiB pages of the machine (vm.nr_hugepages), reserved for a test and given back.
#pragma once

#include <cstdint>

namespace stx {

class HugePages {
 public:
  static constexpr uint64_t kSize = 2 << 20;

  /// Reserves `count` more pages than are reserved now; the kernel may find fewer.
  explicit HugePages(int count);
  ~HugePages();
  HugePages(const HugePages&) = delete;
  HugePages& operator=(const HugePages&) = delete;
  /// False: the machine has not so many, or does not let us.
  bool enough() const { return enough_; }

 private:
  int count_;
  bool enough_ = false;
};

}  // namespace stx
