// SPDX-License-Identifier: GPL-2.0-or-later
// Preloaded into a QEMU: each mlock(2) waits until the file $MLOCK_GATE/open is there, or 20 s, and
// leaves the file $MLOCK_GATE/begun when it has to wait.
#include <sys/mman.h>
#include <sys/syscall.h>

#include "gate.h"

static const char kGate[] = "MLOCK_GATE";

int mlock(const void* address, size_t length) {
  if (getenv(kGate) && !GateHas(kGate, "open")) {
    GateLog(kGate, "begun", "", 0);
    GateWait(kGate);
  }
  return (int)syscall(SYS_mlock, address, length);
}
