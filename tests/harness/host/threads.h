// SPDX-License-Identifier: GPL-2.0-or-later
// The threads of a process as the kernel schedules them (proc(5), sched(7)).
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace stx {

struct ThreadInfo {
  pid_t tid = 0;
  /// At most 15 characters. With -name debug-threads=on, QEMU names its threads.
  std::string name;
  /// The CPUs on which it may run, in the kernel's list format: "0-1", "1".
  std::string cpus;
  /// SCHED_OTHER, SCHED_FIFO ...
  int policy = 0;
  /// 1 to 99 under a real-time policy, otherwise 0.
  int priority = 0;
  /// 2 if a seccomp filter is active.
  int seccomp = 0;
};

/// The number of CPUs that this process may use.
int CountUsableCpus();

/// The threads that exist now. A thread that ends meanwhile is left out.
std::vector<ThreadInfo> ReadThreads(pid_t pid);

}  // namespace stx
