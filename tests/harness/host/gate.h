// SPDX-License-Identifier: GPL-2.0-or-later
// What the preloaded libraries of this folder share: a folder, named by an environment variable,
// whose file "open" lets a call go on. C, because they go into QEMU.
#pragma once

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/// The path of a file of the gate, in `path` of `size` bytes.
static inline const char* GatePath(char* path, size_t size, const char* gate, const char* name) {
  snprintf(path, size, "%s/%s", getenv(gate), name);
  return path;
}

static inline int GateHas(const char* gate, const char* name) {
  char path[4096];
  return access(GatePath(path, sizeof(path), gate, name), F_OK) == 0;
}

/// Adds `what`, of `size` bytes, to a file of the gate, which is made if it is not there.
static inline void GateLog(const char* gate, const char* name, const char* what, size_t size) {
  char path[4096];
  const int file = open(GatePath(path, sizeof(path), gate, name),
                        O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0 || write(file, what, size) != (ssize_t)size) abort();
  close(file);
}

/// Waits until the file "open" is there, or 20 s.
static inline void GateWait(const char* gate) {
  for (int i = 0; !GateHas(gate, "open") && i < 2000; ++i) usleep(10000);
}
