// SPDX-License-Identifier: GPL-2.0-or-later
// The command line that Kata Containers 3.1.3 starts a pod's QEMU with: section 1.1 of the
// contract, and of its variants (1.2) those that our boots use.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace stx {

inline constexpr const char* kVhostUserNicMac = "02:00:ca:fe:00:02";

enum class PodMachine { kQ35, kMicrovm };

/// A sandbox has a root image and virtio-fs; VM templates (contract 1.2) are an initrd with neither
/// nor a network: one is saved, and clones go on from there.
enum class PodForm { kSandbox, kTemplate, kClone };

/// The values that differ from pod to pod. Descriptors are numbers in QEMU, from 4 upward (fd 3 is
/// QMP).
struct PodCommand {
  PodMachine machine = PodMachine::kQ35;
  PodForm form = PodForm::kSandbox;
  bool kvm = false;
  bool nested = false;   ///< disable-modern=true, as Kata does below another hypervisor
  bool sandbox = false;  ///< -sandbox with Kata's three denials
  std::string id;
  std::filesystem::path dir;  ///< console.sock, vhost-fs.sock, vsock.sock and pid are here
  std::filesystem::path kernel, initrd, image;
  std::filesystem::path console_log;  ///< Not Kata's: also keeps what the guest prints
  std::string append;  ///< more kernel parameters; like Kata's kernel_params they come last
  unsigned memory_mib = 2048;
  bool hugepages = false;                 ///< RAM in /dev/hugepages; prealloc
  std::filesystem::path template_memory;  ///< RAM of the template forms
  unsigned vcpus = 1;
  unsigned max_vcpus = 0;  ///< 0: the host's CPUs
  unsigned root_ports = 0;
  std::vector<std::string> vfio;  ///< "02:10.0": on root port rp0, rp1, ..., as far as there are
  uint64_t guest_cid = 3;
  int vsock_fd = -1;           ///< /dev/vhost-vsock; -1: a vhost-user-vsock back-end at
                               ///< dir/vsock.sock
  bool serial_agent = false;   ///< Not Kata's: no vsock, a serial port at dir/agent.sock
  std::vector<int> tap_fds;    ///< one a queue; none: no network
  std::vector<int> vhost_net;  ///< as many, or none: tap without vhost
  std::string mac;
  /// A second NIC whose back-end listens on this socket, a virtual switch's (vhost-user NIC
  /// of 1.2).
  std::filesystem::path vhost_user_nic;

  /// maxcpus: the sockets of the machine.
  unsigned MaxCpus() const;
  /// Everything after the binary but QMP itself, which the harness adds.
  std::vector<std::string> Arguments() const;
};

}  // namespace stx
