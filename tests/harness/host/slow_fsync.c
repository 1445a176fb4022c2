// SPDX-License-Identifier: GPL-2.0-or-later
// Preloaded into a QEMU by harness/host/slow_fsync.h: each fsync(2) and fdatasync(2) waits until
// the file $FSYNC_GATE/open is there, or 20 s, and leaves a 'b' in $FSYNC_GATE/log when it begins
// and an 'e' when it ends. With $FSYNC_GATE/fail it ends in EIO.
#include <errno.h>

#include "gate.h"

static const char kGate[] = "FSYNC_GATE";

int fsync(int descriptor) {
  (void)descriptor;
  if (!getenv(kGate)) return 0;
  GateLog(kGate, "log", "b", 1);
  GateWait(kGate);
  const int failed = GateHas(kGate, "fail");
  GateLog(kGate, "log", "e", 1);
  if (!failed) return 0;
  errno = EIO;
  return -1;
}

int fdatasync(int descriptor) { return fsync(descriptor); }
