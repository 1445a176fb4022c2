// SPDX-License-Identifier: GPL-2.0-or-later
// A guest that writes to its memory without pause: the load against which a live migration has to
// make progress. It is a firmware image of our own, so it starts at once under any accelerator and
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
  /// Writes to every page from 1 MiB to `end` (in bytes), again and again.
  explicit DirtyingGuest(uint32_t end);

  /// The arguments that source and target share: machine pc, its memory, and the firmware.
  std::vector<std::string> args() const;
  /// Returns once the guest's writes can be seen. Throws if it does not start.
  static void WaitRunning(Qmp& qmp);

 private:
  TempDir dir_{"guest"};
  uint32_t end_;
};

}  // namespace stx
