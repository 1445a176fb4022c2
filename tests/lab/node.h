// SPDX-License-Identifier: GPL-2.0-or-later
// A compute node: a Debian 12 system with real KVM, vsock, vhost-net, VFIO and libvirt, in a
// virtual machine of our own `host` build. Below it is this machine's KVM where that works, else
// TCG, which emulates AMD's SVM, so that the node has a /dev/kvm either way.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "guest/guest_client.h"
#include "harness/qemu/accel.h"
#include "harness/qemu/qemu.h"

namespace stx {

/// The cable between two nodes: each end is a node's NIC lan0.
struct LanEnd {
  std::filesystem::path
      socket;  ///< AF_UNIX; the node with `first` makes it and must be started before
  bool first = false;
  std::string address;  ///< "10.77.0.1/24"
};

struct NodeSettings {
  std::string name = "node-a";
  std::filesystem::path qemu;   ///< that the node itself runs on
  std::filesystem::path image;  ///< node.img, which stays as it is: a node's writes end with it
  std::filesystem::path kernel, initrd;
  std::filesystem::path payload;  ///< ext4 with label lab, mounted read-only on /lab
  int cpus = 2;
  unsigned memory_mib = 4096;
  unsigned huge_1g = 0;  ///< 1 GiB pages reserved at boot: later there are none in one piece
  bool devices = false;  ///< an IOMMU and, behind a root port, an NVMe with virtual functions
  std::optional<LanEnd> lan;
};

/// Everything that it started ends with it.
class Node {
 public:
  /// Returns at once; the node boots. Throws with QEMU's words when it does not start.
  Node(const NodeSettings& settings, const std::filesystem::path& logs);
  ~Node();

  /// Waits until the node's system is up; throws with the console's end when it does not come.
  void WaitUp();
  Milliseconds to_up() const { return to_up_; }
  const std::string& name() const { return settings_.name; }
  const Accel& accel() const { return accel_; }

  /// Runs a program of the node to its end.
  RunResult Exec(const std::vector<std::string>& argv, Milliseconds timeout);
  /// The same for a shell's script; throws with what it said when it fails.
  std::string Shell(const std::string& script);

  /// A terminal on the node: its console, where root is logged in.
  std::filesystem::path console() const { return dir_ / "console.sock"; }
  std::filesystem::path console_log() const { return logs_ / (settings_.name + ".console"); }
  /// Writes what explains a failure (journal, the kernel's messages, QEMU's own report) into the
  /// folder of logs, as far as the node still answers, and returns the names of those files.
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
