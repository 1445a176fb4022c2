// SPDX-License-Identifier: GPL-2.0-or-later
// The threads of a process as the kernel schedules them (proc(5), sched(7)).
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace stx {

struct ThreadInfo {
  pid_t tid = 0;
  /// At most 15 characters; QEMU names its threads with -name debug-threads=on.
  std::string name;
  /// The CPUs that it may run on, as the kernel writes a list: "0-1", "1".
  std::string cpus;
  /// SCHED_OTHER, SCHED_FIFO ...
  int policy = 0;
  /// 1 to 99 under a real-time policy, else 0.
  int priority = 0;
  /// 2 when a seccomp filter is on.
  int seccomp = 0;
};

/// How many CPUs this process may use.
int UsableCpus();

/// The threads that run now; one that ends while it is read is left out.
std::vector<ThreadInfo> Threads(pid_t pid);

}  // namespace stx
