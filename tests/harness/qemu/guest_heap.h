// SPDX-License-Identifier: GPL-2.0-or-later
// Guest memory for a driver that lives in the test. Nothing is ever freed.
#pragma once

#include <cstdint>
#include <stdexcept>

namespace stx {

class GuestHeap {
 public:
  /// `base` and `size` (in bytes) of guest-physical memory that nothing else uses.
  GuestHeap(uint64_t base, uint64_t size) : next_(base), end_(base + size) {}

  /// `alignment` is a power of two.
  uint64_t Allocate(uint64_t size, uint64_t alignment = 16) {
    const uint64_t at = (next_ + alignment - 1) & ~(alignment - 1);
    if (at + size > end_) throw std::runtime_error("the guest heap is used up");
    next_ = at + size;
    return at;
  }

 private:
  uint64_t next_, end_;
};

}  // namespace stx
