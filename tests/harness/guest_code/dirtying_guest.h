// SPDX-License-Identifier: GPL-2.0-or-later
// A guest that does nothing but write to its memory, without pause: what a live migration has to
// work against. It is a firmware image of our own, so it runs at once, under any accelerator, and
// needs no disk.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/os.h"
#include "harness/qemu/qmp.h"

namespace stx {

class DirtyingGuest {
 public:
  /// Writes to every page from 1 MiB up to `end`, in bytes, round and round.
  explicit DirtyingGuest(uint32_t end);

  /// The arguments of source and target alike: machine pc, its memory, and the firmware.
  std::vector<std::string> args() const;
  /// Returns when the guest is seen writing; throws when it does not start.
  static void WaitRunning(Qmp& qmp);

 private:
  TempDir dir_{"guest"};
  uint32_t end_;
};

}  // namespace stx
