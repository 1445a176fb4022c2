// SPDX-License-Identifier: GPL-2.0-or-later
#undef _FILE_OFFSET_BITS  // open and open64 are two names
// Preloaded into a QEMU: there is a /dev/udmabuf. It is only opened as long as a blob's memory is in
// one piece.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>

static int Open(const char* name, const char* path, int flags, mode_t mode) {
  int (*real)(const char*, int, ...) = (int (*)(const char*, int, ...))dlsym(RTLD_NEXT, name);
  return real(strcmp(path, "/dev/udmabuf") == 0 ? "/dev/null" : path, flags, mode);
}

#define INTERCEPT(name)                        \
  int name(const char* path, int flags, ...) { \
    va_list more;                              \
    va_start(more, flags);                     \
    mode_t mode = va_arg(more, mode_t);        \
    va_end(more);                              \
    return Open(#name, path, flags, mode);     \
  }
INTERCEPT(open)
INTERCEPT(open64)
