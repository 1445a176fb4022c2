// SPDX-License-Identifier: GPL-2.0-or-later
// A pod-shaped guest, booted the way Kata's shim boots one: virtiofsd, vsock, tap, QEMU with
// inherited descriptors; ready when guestd calls back over vsock. What the shim does to it then is
// PodShim's; VM templates and their clones are PodTemplate's.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/process.h"
#include "guest/guest_client.h"
#include "harness/host/tap.h"
#include "harness/qemu/accel.h"
#include "harness/qemu/qemu.h"
#include "harness/vhost_user/vsock_backend.h"
#include "kata/pod_command.h"
#include "kata/pod_variants.h"
#include "kata/vsock_calls.h"

namespace stx {

/// Kata's configuration of a pod, by the names of its configuration.toml where it has one.
struct PodSettings {
  MachineType machine = MachineType::kQ35;  ///< machine_type
  bool sandbox = false;                     ///< seccompsandbox
  bool vmlinux = false;           ///< the ELF kernel through pvh.bin instead of the bzImage
  std::string append;             ///< kernel_params
  unsigned memory_mib = 2048;     ///< default_memory
  bool hugepages = false;         ///< enable_hugepages
  unsigned vcpus = 1;             ///< default_vcpus; a NIC has as many queues
  unsigned max_vcpus = 0;         ///< default_maxvcpus; 0: the host's CPUs
  unsigned root_ports = 0;        ///< pcie_root_port
  std::vector<std::string> vfio;  ///< PCI functions of the host, "0000:02:10.0", there at the start
  bool network = true;            ///< a tap in a network namespace of its own
  int mtu = 1500;                 ///< of the tap; the guest is not told (Kata's agent sets it)
  std::filesystem::path vhost_user_nic;  ///< a second NIC: the socket of its back-end
  /// Not Kata's: under TCG, with -icount. A nanosecond of the guest's clocks is an instruction, or
  /// idle time, which is skipped; its time stamp counter counts these nanoseconds.
  bool count_instructions = false;
  std::filesystem::path console_log;  ///< where the guest's console goes as well
  std::filesystem::path qemu;
  std::vector<std::string> environment;  ///< of QEMU: NAME=value
  std::filesystem::path guest;           ///< build/guest: vmlinuz, vmlinux, initrd, root.img
  std::filesystem::path virtiofsd;       ///< the C daemon of the 7.2 tree
};

/// A sandbox has a root image and virtio-fs; VM templates (contract 1.2) have an initrd, and
/// neither of them nor a network: one is saved, and clones go on from there.
enum class PodForm { kSandbox, kTemplate, kClone };

/// For PodTemplate alone: what a template and its clones share.
struct PodTemplateForm {
  PodForm form = PodForm::kSandbox;
  std::filesystem::path memory;       ///< the file that is their RAM
  std::shared_ptr<VsockCalls> calls;  ///< with /dev/vhost-vsock
};

/// Everything it started ends with it.
class Pod {
 public:
  static constexpr Milliseconds kBootTimeout{120000};

  /// Returns when QEMU's monitor answers; the guest boots on. Throws with QEMU's own words when it
  /// does not start.
  explicit Pod(const PodSettings& settings, const PodTemplateForm& form = {});

  /// Waits for guestd's call-back; throws when none came in time or QEMU ended.
  GuestAgent& agent();
  /// The guest calls again, and the next agent() takes it: at the save of a template.
  void HangUp() { agent_.reset(); }
  Qmp& qmp() { return qemu_->qmp(); }
  Qemu& qemu() { return *qemu_; }
  /// The folder that the guest sees as /share.
  std::filesystem::path share() const { return share_ / "."; }
  std::filesystem::path console() const { return values_.dir / "console.sock"; }
  /// Of the command line; `dir` is QEMU's folder, with its sockets and its pidfile.
  const PodValues& values() const { return values_; }
  /// The folder in which hot-plugged memory has its files, as the pod's RAM has; empty: private
  /// RAM, a template's.
  std::filesystem::path memory_path() const;

  const Accel& accel() const { return accel_; }
  /// "vhost-vsock", "vhost-user-vsock", or for a template without either "virtio-serial".
  std::string VsockKind() const;
  /// "tap with vhost-net", "tap", or "none: REASON".
  const std::string& network() const { return network_; }
  std::string mac() const { return values_.nic ? values_.nic->mac : ""; }
  /// The pod's side of its network, where the host speaks to it; unset with network() "none".
  const std::optional<Tap>& tap() const { return tap_; }
  /// From the start of QEMU.
  Milliseconds to_qmp() const { return to_qmp_; }
  Milliseconds to_guest() const { return to_guest_; }
  /// nullptr for a pod without virtio-fs.
  Process* virtiofsd() { return virtiofsd_ ? &*virtiofsd_ : nullptr; }

 private:
  void StartVirtiofsd();
  /// What the command line has for the agent's connection.
  CommandEdit PrepareVsock(QemuOptions* options);
  void PrepareNetwork(QemuOptions* options);
  CommandLine MakeCommand(const CommandEdit& vsock) const;
  std::optional<GuestAgent> AwaitCall(const Deadline& deadline);
  /// The registers of a guest that does not call. An NMI makes its kernel say where everyone waits,
  /// when it was booted with unknown_nmi_panic and panic_print=1: in console_log, kept as `.lost`.
  std::string AskWhereItIs();

  TempDir dir_{"stx-pod"};
  TempDir share_{"stx-share"};
  PodSettings settings_;
  PodTemplateForm form_;
  Accel accel_;
  PodValues values_;
  bool serial_agent_ = false;
  std::optional<Process> virtiofsd_;
  std::unique_ptr<VsockBackend> vsock_;
  UniqueFd vsock_device_, call_back_;
  std::shared_ptr<VsockCalls> calls_;
  std::optional<Tap> tap_;
  std::vector<UniqueFd> vhost_net_;
  std::string network_;
  Clock::time_point started_;
  std::unique_ptr<Qemu> qemu_;
  std::optional<GuestAgent> agent_;
  Milliseconds to_qmp_{0}, to_guest_{0};
};

}  // namespace stx
