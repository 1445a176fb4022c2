// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench/footprint.h"

#include <time.h>

#include <cerrno>
#include <set>

#include "base/os.h"
#include "harness/host/memory_map.h"

namespace stx {
namespace {

bool IsLibrary(const Mapping& mapping) { return mapping.name.find(".so") != std::string::npos; }

const char* KindOf(const Mapping& mapping) {
  if (IsLibrary(mapping)) return "libraries";
  if (mapping.name.starts_with('/')) return "binary";
  if (mapping.name == "[heap]") return "heap";
  return mapping.is_code() ? "TCG's code" : "other";
}

}  // namespace

Footprint ReadFootprint(pid_t pid) {
  Footprint footprint;
  std::set<std::string> libraries;
  for (const Mapping& mapping : ReadMappings(pid)) {
    if (mapping.name.ends_with("/root.img")) continue;
    if (mapping.name.starts_with("/dev/shm/")) {
      footprint.guest_ram += static_cast<double>(mapping.pss);
      continue;
    }
    if (mapping.is_code() && IsLibrary(mapping)) libraries.insert(mapping.name);
    footprint.pss += static_cast<double>(mapping.pss);
    footprint.private_dirty += static_cast<double>(mapping.private_dirty);
    footprint.private_dirty_of[KindOf(mapping)] += static_cast<double>(mapping.private_dirty);
  }
  footprint.libraries = libraries.size();
  return footprint;
}

double ReadCpuMs(pid_t pid) {
  clockid_t clock{};
  timespec time{};
  errno = clock_getcpuclockid(pid, &clock);
  if (errno || clock_gettime(clock, &time) < 0) ThrowErrno("the CPU clock of a process");
  return 1e3 * static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e6;
}

}  // namespace stx
