// SPDX-License-Identifier: GPL-2.0-or-later
// The command line with which Kata Containers 3.1.3 starts a pod's QEMU: section 1.1 of the
// contract, in the order of Kata's own code. pod_variants.h has its variants (1.2), as edits.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "kata/command_line.h"

namespace stx {

/// A tap with one queue pair per descriptor. Descriptors have the numbers that they have in QEMU
/// (QemuOptions::Inherit). Kata passes all vhost descriptors of a NIC before its taps.
struct PodNic {
  std::vector<int> vhost_fds;  ///< of /dev/vhost-net; empty for a tap without vhost
  std::vector<int> tap_fds;
  std::string mac;
};

/// The values that differ between pods.
struct PodValues {
  std::string id;
  std::filesystem::path dir;  ///< the folder of console.sock, vhost-fs.sock and pid
  std::filesystem::path kernel, image;
  std::string accel = "kvm";  ///< or "tcg"; empty for a machine on qtest, where the harness chooses
  bool nested = false;        ///< disable-modern=true, as Kata sets on a virtualized host
  unsigned memory_mib = 2048;
  unsigned vcpus = 1;
  unsigned max_vcpus = 0;  ///< 0 means the host's CPUs
  uint64_t guest_cid = 3;
  int vsock_fd = -1;  ///< the number of /dev/vhost-vsock in QEMU
  std::optional<PodNic> nic;
  std::string kernel_params;  ///< they come last in -append

  /// maxcpus, which is also the number of sockets.
  unsigned MaxVcpus() const;
};

/// Everything after the binary except QMP, which the harness puts first. (Kata puts it between -cpu
/// and -m.)
CommandLine MakePodCommand(const PodValues& values);

/// The parts of -append that Kata leaves out if there is no image.
inline constexpr char kRootParameters[] =
    " root=/dev/pmem0p1 rootflags=dax,data=ordered,errors=remount-ro ro rootfstype=ext4";
inline constexpr char kStatusParameter[] = " systemd.show_status=false";
inline constexpr char kUnitParameters[] =
    " systemd.unit=kata-containers.target systemd.mask=systemd-networkd.service "
    "systemd.mask=systemd-networkd.socket";

/// The sixteen hexadecimal digits in the ids of back-ends. Kata generates random ones; nothing
/// depends on them.
inline constexpr char kHexDigits[] = "0123456789abcdef";

}  // namespace stx
