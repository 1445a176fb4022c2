// SPDX-License-Identifier: GPL-2.0-or-later
// The command line that Kata Containers 3.1.3 starts a pod's QEMU with: section 1.1 of the
// contract, in the order of Kata's own code. Its variants (1.2) are edits: pod_variants.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "kata/command_line.h"

namespace stx {

/// A tap with one queue pair per descriptor. Descriptors are the numbers that they have in QEMU
/// (QemuOptions::Inherit); Kata passes all vhost descriptors of a NIC before its taps.
struct PodNic {
  std::vector<int> vhost_fds;  ///< of /dev/vhost-net; none: a tap without vhost
  std::vector<int> tap_fds;
  std::string mac;
};

/// What differs from pod to pod.
struct PodValues {
  std::string id;
  std::filesystem::path dir;  ///< console.sock, vhost-fs.sock and pid are here
  std::filesystem::path kernel, image;
  std::string accel = "kvm";  ///< or "tcg"; empty: the harness chooses, for a machine on qtest
  bool nested = false;        ///< disable-modern=true, as Kata does below another hypervisor
  unsigned memory_mib = 2048;
  unsigned vcpus = 1;
  unsigned max_vcpus = 0;  ///< 0: the host's CPUs
  uint64_t guest_cid = 3;
  int vsock_fd = -1;  ///< /dev/vhost-vsock, as a number in QEMU
  std::optional<PodNic> nic;
  std::string kernel_params;  ///< come last in -append

  /// maxcpus: the sockets of the machine.
  unsigned MaxVcpus() const;
};

/// Everything after the binary except QMP, which the harness adds before all the rest. (Kata puts
/// it between -cpu and -m.)
CommandLine MakePodCommand(const PodValues& values);

/// The parts of -append that Kata leaves out when there is no image.
inline constexpr char kRootParameters[] =
    " root=/dev/pmem0p1 rootflags=dax,data=ordered,errors=remount-ro ro rootfstype=ext4";
inline constexpr char kStatusParameter[] = " systemd.show_status=false";
inline constexpr char kUnitParameters[] =
    " systemd.unit=kata-containers.target systemd.mask=systemd-networkd.service "
    "systemd.mask=systemd-networkd.socket";

/// The sixteen hexadecimal digits in the ids of back-ends. Kata draws them for each; nothing
/// depends on them.
inline constexpr char kHexDigits[] = "0123456789abcdef";

}  // namespace stx
