// SPDX-License-Identifier: GPL-2.0-or-later
// A container that containerd runs with Kata's shim (io.containerd.kata.v2), as `ctr run` starts
// it.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <string>
#include <vector>

namespace stx {

/// Unless that is done already, starts containerd and imports the image of the containers, which
/// holds only busybox and comes from no registry.
void PrepareContainerd();

class KataContainer {
 public:
  /// Runs `ctr run --detach FLAGS`. The container sleeps until it gets commands. `specification`,
  /// in OCI's JSON, is for what ctr has no flags for; root, command and control group are filled
  /// in. Throws with ctr's message if the shim does not start it, or if ctr does not return, and
  /// names what was left behind.
  explicit KataContainer(const std::string& id, const std::vector<std::string>& flags = {},
                         const std::string& specification = {});
  /// Calls End(); a failure fails the test.
  ~KataContainer();
  KataContainer(const KataContainer&) = delete;
  KataContainer& operator=(const KataContainer&) = delete;

  /// Runs a shell script in the container and returns its output. Throws with the output if it
  /// fails.
  std::string Shell(const std::string& script);
  /// Kills and deletes the container. Throws if that fails, or if something on the node still bears
  /// its name. A control group without a process does not count: Kata 3.1.3 kills QEMU without
  /// waiting for it, and may try to remove its groups too early (docs/limitations.md).
  void End();

  /// The pod's QEMU, whose -name is that of this container; the container must be the first of its
  /// sandbox.
  pid_t Qemu() const;
  /// The command line of that QEMU, its arguments separated by spaces.
  std::string QemuCommand() const;
  /// The pod's vCPU threads, according to the kernel's KVM (kvm/PID-FD/vcpuN/pid in debugfs).
  std::vector<pid_t> Vcpus() const;

 private:
  std::string id_;
  int execs_ = 0;
  bool ended_ = false;
};

/// How Kata refused to start a container.
struct KataRefusal {
  bool by_ctr =
      false;  ///< ctr failed; otherwise the shim waits, and only the journal has a message
  std::string message;  ///< ctr's, or the lines of the journal since the start
  std::string left;     ///< what bore the container's name before this was cleaned up
};
/// Runs `ctr run` with `flags`, which has to fail, until it does or the journal holds `expected`.
/// Nothing that bears the container's name is left afterwards. Throws if it starts, or if there is
/// no such message in time.
KataRefusal StartRefused(const std::string& id, const std::vector<std::string>& flags,
                         const std::string& expected);

/// The flags that make a container part of a pod, as containerd's CRI plugin marks one. `type` is
/// "sandbox" for the first container and "container" for the others.
std::vector<std::string> InPod(const std::string& pod, const std::string& type);

/// The fixture of all cases that start containers.
class KataTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { PrepareContainerd(); }
};

}  // namespace stx
