// SPDX-License-Identifier: GPL-2.0-or-later
// The node's huge pages, and who has them.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace stx {

/// Mounts pages of `size` ("2M", "1G") where Kata looks for them, as many as asked for; ends both.
class PagesAtHand {
 public:
  PagesAtHand(const std::string& size, int count);
  ~PagesAtHand();
  /// How many the node really has of those.
  int reserved() const;

 private:
  std::string pool_, before_;
};

/// Bytes of huge pages of that size that the process has.
uint64_t HugeBytes(pid_t pid, uint64_t page_kb);

}  // namespace stx
