// SPDX-License-Identifier: GPL-2.0-or-later
// A guest at work: writes random bytes over and over, and knows whether they are still right.
#pragma once

#include "guest/guest_client.h"

namespace stx {

class MemoryLoad {
 public:
  /// Starts to rewrite `mib` MiB of the guest's memory, without pause.
  MemoryLoad(GuestAgent& agent, unsigned mib);
  /// How often it has gone round.
  static long Rounds(GuestAgent& agent);
  /// Ends the load. Throws when a byte of what it was writing, or of what it wrote it from, is not
  /// what it was.
  void StopAndCheck(GuestAgent& agent);

 private:
  std::string sum_;
};

}  // namespace stx
