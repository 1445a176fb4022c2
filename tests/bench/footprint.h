// SPDX-License-Identifier: GPL-2.0-or-later
// What a running QEMU has taken from the machine, beside its guest's RAM.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <map>
#include <string>

namespace stx {

struct Footprint {
  double pss = 0;            ///< bytes; a page that several processes have counts in parts
  double private_dirty = 0;  ///< bytes that it has written and shares with nobody
  double guest_ram = 0;      ///< bytes of guest RAM that are there; in none of the others
  size_t libraries = 0;      ///< files with code that are mapped, beside the binary
  /// private_dirty by what it is: "binary", "libraries", "heap", "TCG's code", "other".
  std::map<std::string, double> private_dirty_of;
};

/// Of a pod: guest RAM is in /dev/shm, and an image root.img is not counted at all.
Footprint ReadFootprint(pid_t pid);

/// User and system time of all threads that it has had, in milliseconds.
double ReadCpuMs(pid_t pid);

}  // namespace stx
