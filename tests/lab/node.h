// SPDX-License-Identifier: GPL-2.0-or-later
// A compute node: a Debian 12 system with real KVM, vsock, vhost-net, VFIO and libvirt, in a
// virtual machine that runs on our own `host` build. It uses this machine's KVM if that works.
// Otherwise it uses TCG, which emulates AMD's SVM, so the node has a /dev/kvm in both cases.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "guest/guest_client.h"
#include "harness/qemu/accel.h"
#include "harness/qemu/qemu.h"

namespace stx {

/// The cable between two nodes; each end is a node's NIC lan0.
struct LanEnd {
  std::filesystem::path
      socket;  ///< AF_UNIX; the node with `first` creates it and must be started first
  bool first = false;
  std::string address;  ///< "10.77.0.1/24"
};

struct NodeSettings {
  std::string name = "node-a";
  std::filesystem::path qemu;   ///< on which the node itself runs
  std::filesystem::path image;  ///< node.img, which does not change: what a node writes is lost
                                ///< when it ends
  std::filesystem::path kernel, initrd;
  std::filesystem::path payload;  ///< ext4 with label lab, mounted read-only on /lab
  int cpus = 2;
  unsigned memory_mib = 4096;
  unsigned huge_1g = 0;    ///< 1 GiB pages reserved at boot, because later no contiguous ones are
                           ///< left
  bool cgroup_v1 = false;  ///< as on StarlingX's hosts; otherwise cgroup v2, as in Debian 12
  bool devices = false;    ///< an IOMMU and, behind a root port, an NVMe controller with virtual
                           ///< functions
  std::optional<LanEnd> lan;
};

/// The destructor ends everything that it started.
class Node {
 public:
  /// Returns at once, while the node boots. Throws with QEMU's message if it does not start.
  Node(const NodeSettings& settings, const std::filesystem::path& logs);
  ~Node();

  /// Waits until the node's system is up. Throws with the last lines of its console if it is not in
  /// time.
  void WaitUp();
  Milliseconds to_up() const { return to_up_; }
  const std::string& name() const { return settings_.name; }
  bool cgroup_v1() const { return settings_.cgroup_v1; }
  const Accel& accel() const { return accel_; }

  /// Runs a program on the node to its end.
  RunResult Exec(const std::vector<std::string>& argv, Milliseconds timeout);
  /// The same for a shell script. Throws with its output if it fails.
  std::string Shell(const std::string& script);

  /// A terminal on the node: its console, on which root is logged in.
  std::filesystem::path console() const { return dir_ / "console.sock"; }
  std::filesystem::path console_log() const { return logs_ / (settings_.name + ".console"); }
  /// Writes files that help to explain a failure (journal, kernel messages, QEMU's report) into the
  /// log folder, as far as the node still answers, and returns their names.
  std::vector<std::filesystem::path> Diagnose();

 private:
  std::vector<std::string> Arguments() const;
  GuestAgent& agent();

  NodeSettings settings_;
  std::filesystem::path logs_;
  TempDir dir_{"node"};
  Accel accel_;
  Clock::time_point started_;
  std::optional<Qemu> qemu_;
  std::optional<GuestAgent> agent_;
  Milliseconds to_up_{0};
};

}  // namespace stx
