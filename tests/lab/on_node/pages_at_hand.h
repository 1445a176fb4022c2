// SPDX-License-Identifier: GPL-2.0-or-later
// The node's huge pages, and who uses them.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace stx {

/// Mounts huge pages of `size` ("2M", "1G") where Kata looks for them, and reserves the requested
/// number. The destructor undoes both.
class PagesAtHand {
 public:
  PagesAtHand(const std::string& size, int count);
  ~PagesAtHand();
  /// The number of pages that the node could really reserve.
  int reserved() const;

 private:
  std::string pool_, before_;
};

/// The number of bytes that the process has in huge pages of that size.
uint64_t HugeBytes(pid_t pid, uint64_t page_kb);

}  // namespace stx
