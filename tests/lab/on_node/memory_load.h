// SPDX-License-Identifier: GPL-2.0-or-later
// A load in a guest: it writes random bytes repeatedly, and can verify them.
#pragma once

#include "guest/guest_client.h"

namespace stx {

class MemoryLoad {
 public:
  /// Starts to rewrite `mib` MiB of the guest's memory without pause.
  MemoryLoad(GuestAgent& agent, unsigned mib);
  /// How often all of it has been rewritten.
  static long Rounds(GuestAgent& agent);
  /// Ends the load. Throws if a byte of the source or of the target has changed.
  void StopAndCheck(GuestAgent& agent);

 private:
  std::string sum_;
};

}  // namespace stx
