// SPDX-License-Identifier: GPL-2.0-or-later
// From the kernel's first program to a served guest: modules, root, mounts.
#pragma once

#include <string>
#include <vector>

namespace stx::guestd {

/// What stage 1 hands to stage 2 across exec, in the environment.
struct BootReport {
  /// What did not go as asked but did not stop the boot: messages.
  std::vector<std::string> notes;
  /// "NAME MILLISECONDS TICKS", since the kernel's start and of the time stamp counter: init,
  /// modules, root, ready.
  std::vector<std::string> times;

  static BootReport FromEnvironment();
  void ToEnvironment() const;
  void Note(const std::string& message);
  void Mark(const std::string& name);
};

/// proc, sys, dev, where they are not mounted yet.
void MountKernelFilesystems();
/// Loads what /modules/list names, in its order, with the parameters NAME.PARAMETER=VALUE of the
/// kernel command line. A module that fails is a note.
void LoadModules(BootReport* report);
/// Mounts root= read-only (with rootfstype=, rootflags=; without dax where that is refused), makes
/// it / and executes its /sbin/init. Returns only when there is no root= or it could not be
/// mounted; the guest then lives on the initramfs, and says why.
void EnterRoot(BootReport* report);
/// tmpfs on /run and /tmp, the share on /share: virtio-fs, or 9p with guestd.share=9p.
void MountGuestFilesystems(BootReport* report);

}  // namespace stx::guestd
