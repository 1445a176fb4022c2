// SPDX-License-Identifier: GPL-2.0-or-later
// From the kernel's first program to a guest that serves the host: modules, root, mounts.
#pragma once

#include <string>
#include <vector>

namespace stx::guestd {

/// What stage 1 passes to stage 2 across exec, in the environment.
struct BootReport {
  /// Messages about what failed without stopping the boot.
  std::vector<std::string> notes;
  /// "NAME MILLISECONDS TICKS" for init, modules, root and ready: the time since the kernel's
  /// start, and the time stamp counter.
  std::vector<std::string> times;

  static BootReport FromEnvironment();
  void ToEnvironment() const;
  void Note(const std::string& message);
  void Mark(const std::string& name);
};

/// Mounts proc, sys and dev unless they are mounted already.
void MountKernelFilesystems();
/// Loads the modules in /modules/list, in that order, with the parameters NAME.PARAMETER=VALUE of
/// the kernel command line. If a module fails, that is noted.
void LoadModules(BootReport* report);
/// Mounts root= read-only (with rootfstype= and rootflags=; without dax if the kernel refuses dax),
/// makes it / and executes its /sbin/init. Returns only if there is no root= or if it cannot be
/// mounted; the guest then stays on the initramfs and reports why.
void EnterRoot(BootReport* report);
/// Mounts tmpfs on /run and /tmp, and the share on /share: virtio-fs, or 9p with guestd.share=9p.
void MountGuestFilesystems(BootReport* report);

}  // namespace stx::guestd
