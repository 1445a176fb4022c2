// SPDX-License-Identifier: GPL-2.0-or-later
// A container that containerd runs by Kata's shim (io.containerd.kata.v2), as `ctr run` starts one.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace stx {

/// Starts containerd and imports the image that the containers are made of, unless both are there:
/// busybox alone, from no registry.
void PrepareContainerd();

class KataContainer {
 public:
  /// `ctr run --detach FLAGS`; it sleeps until it is told what to do. `specification`, OCI's in
  /// JSON, stands in for what ctr has no flags for; root, command and control group are filled in.
  /// Throws ctr's message when the shim does not start it, and names what that left behind.
  explicit KataContainer(const std::string& id, const std::vector<std::string>& flags = {},
                         const std::string& specification = {});
  /// As End(), a failure fails the test.
  ~KataContainer();
  KataContainer(const KataContainer&) = delete;
  KataContainer& operator=(const KataContainer&) = delete;

  /// Runs a shell's script in it; returns what that printed, throws with what it said when it
  /// fails.
  std::string Shell(const std::string& script);
  /// Kills and deletes it. Throws when it cannot, or when something on the node still bears its
  /// name.
  void End();

  /// The pod's QEMU: one whose -name is that of this container, which must be the sandbox's first.
  pid_t Qemu() const;
  /// The pod's vCPU threads, from the kernel's KVM (kvm/PID-FD/vcpuN/pid of debugfs).
  std::vector<pid_t> Vcpus() const;

 private:
  std::string id_;
  int execs_ = 0;
  bool ended_ = false;
};

}  // namespace stx
