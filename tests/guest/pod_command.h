// The command line that Kata Containers 3.1.3 starts a pod's QEMU with: section 1.1 of the
// contract, and of its variants (1.2) those that our boots use.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace stx {

enum class PodMachine { kQ35, kMicrovm };

/// The values that differ from pod to pod. Descriptors are numbers in QEMU, from 4 upward (fd 3 is
/// QMP).
struct PodCommand {
  PodMachine machine = PodMachine::kQ35;
  bool kvm = false;
  bool nested = false;   ///< disable-modern=true, as Kata does below another hypervisor
  bool sandbox = false;  ///< -sandbox with Kata's three denials
  std::string id;
  std::filesystem::path dir;  ///< console.sock, vhost-fs.sock, vsock.sock and pid are here
  std::filesystem::path kernel, initrd, image;
  std::string append;  ///< more kernel parameters; like Kata's kernel_params they come last
  unsigned memory_mib = 2048;
  uint64_t guest_cid = 3;
  int vsock_fd = -1;      ///< /dev/vhost-vsock; -1: a vhost-user-vsock back-end at dir/vsock.sock
  int tap_fd = -1;        ///< -1: no network
  int vhost_net_fd = -1;  ///< -1: tap without vhost
  std::string mac;

  /// Everything after the binary but QMP itself, which the harness adds.
  std::vector<std::string> Arguments() const;
};

}  // namespace stx
