// SPDX-License-Identifier: GPL-2.0-or-later
// Preloaded into a QEMU: each mlock(2) waits until the file $MLOCK_GATE/open is there, or 20 s, and
// leaves the file $MLOCK_GATE/begun when it has to wait.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static int HasGate(const char* name, int create) {
  char path[4096];
  snprintf(path, sizeof(path), "%s/%s", getenv("MLOCK_GATE"), name);
  if (!create) return access(path, F_OK) == 0;
  const int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) abort();
  return close(file) == 0;
}

int mlock(const void* address, size_t length) {
  if (getenv("MLOCK_GATE") && !HasGate("open", 0)) {
    HasGate("begun", 1);
    for (int i = 0; !HasGate("open", 0) && i < 2000; ++i) usleep(10000);
  }
  return (int)syscall(SYS_mlock, address, length);
}
