// SPDX-License-Identifier: GPL-2.0-or-later
// Preloaded into a QEMU by harness/host/slow_fsync.h: each fsync(2) and fdatasync(2) waits until
// the file $FSYNC_GATE/open is there, or 20 s, and leaves a 'b' in $FSYNC_GATE/log when it begins
// and an 'e' when it ends. With $FSYNC_GATE/fail it ends in EIO.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char* Path(char* path, size_t size, const char* name) {
  snprintf(path, size, "%s/%s", getenv("FSYNC_GATE"), name);
  return path;
}

static void Log(const char* what) {
  char path[4096];
  const int file =
      open(Path(path, sizeof(path), "log"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0 || write(file, what, 1) != 1) abort();
  close(file);
}

int fsync(int descriptor) {
  char path[4096];
  (void)descriptor;
  if (!getenv("FSYNC_GATE")) return 0;
  Log("b");
  for (int i = 0; access(Path(path, sizeof(path), "open"), F_OK) != 0 && i < 2000; ++i)
    usleep(10000);
  const int failed = access(Path(path, sizeof(path), "fail"), F_OK) == 0;
  Log("e");
  if (!failed) return 0;
  errno = EIO;
  return -1;
}

int fdatasync(int descriptor) { return fsync(descriptor); }
