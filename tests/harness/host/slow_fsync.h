// SPDX-License-Identifier: GPL-2.0-or-later
// fsync(2) and fdatasync(2) of a process, seen, held back and failed by the test. The library that
// is preloaded for that is $SLOW_FSYNC (harness/host/slow_fsync.c). io_uring goes past it:
// aio=threads does not.
#pragma once

#include <string>
#include <vector>

#include "base/os.h"

namespace stx {

class SlowFsync {
 public:
  /// At first calls pass.
  SlowFsync();

  /// For SpawnOptions::environment.
  std::vector<std::string> Environment() const;
  /// From now on a call waits for Release.
  void Hold();
  void Release();
  /// From now on a call ends in EIO.
  void Fail();
  void Succeed();
  size_t Begun() const { return Count('b'); }
  size_t Ended() const { return Count('e'); }
  /// Returns when `calls` have begun; throws when they do not.
  void WaitBegun(size_t calls) const;

 private:
  size_t Count(char what) const;

  TempDir dir_{"fsync"};
};

}  // namespace stx
