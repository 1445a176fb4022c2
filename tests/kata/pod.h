// SPDX-License-Identifier: GPL-2.0-or-later
// A guest in the shape of a pod, booted as Kata's shim boots one: virtiofsd, vsock, tap, and QEMU
// with inherited descriptors. It is ready when guestd connects over vsock. PodShim performs the
// shim's later operations; PodTemplate handles VM templates and their clones.
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

/// Kata's configuration of a pod, with the names of configuration.toml where it has them.
struct PodSettings {
  MachineType machine = MachineType::kQ35;  ///< machine_type
  bool sandbox = false;                     ///< seccompsandbox
  bool vmlinux = false;           ///< the ELF kernel, started by pvh.bin, instead of the bzImage
  std::string append;             ///< kernel_params
  unsigned memory_mib = 2048;     ///< default_memory
  bool hugepages = false;         ///< enable_hugepages
  unsigned vcpus = 1;             ///< default_vcpus; a NIC has as many queues
  unsigned max_vcpus = 0;         ///< default_maxvcpus; 0 means the host's CPUs
  unsigned root_ports = 0;        ///< pcie_root_port
  std::vector<std::string> vfio;  ///< PCI functions of the host, "0000:02:10.0", that are present
                                  ///< from the start
  bool network = true;            ///< a tap in its own network namespace
  int mtu = 1500;                 ///< of the tap; Kata's agent sets it in the guest
  std::filesystem::path vhost_user_nic;  ///< the socket of a second NIC's back-end
  /// Not Kata's: under TCG, with -icount. A nanosecond of the guest's clocks is an instruction, or
  /// idle time, which is skipped; its time stamp counter counts these nanoseconds.
  bool count_instructions = false;
  std::filesystem::path console_log;  ///< a file that receives a copy of the guest's console
  std::filesystem::path qemu;
  std::vector<std::string> environment;  ///< of QEMU: NAME=value
  std::filesystem::path guest;           ///< build/guest: vmlinuz, vmlinux, initrd, root.img
  std::filesystem::path virtiofsd;       ///< the C daemon of the 7.2 tree
};

/// A sandbox has a root image and virtio-fs. A VM template (contract 1.2) and its clones have an
/// initrd, but no root image, virtio-fs or network: the template is saved, and clones continue from
/// there.
enum class PodForm { kSandbox, kTemplate, kClone };

/// For PodTemplate only: what a template and its clones share.
struct PodTemplateForm {
  PodForm form = PodForm::kSandbox;
  std::filesystem::path memory;       ///< the file that holds their RAM
  std::shared_ptr<VsockCalls> calls;  ///< if /dev/vhost-vsock exists
};

/// The destructor ends everything that it started.
class Pod {
 public:
  static constexpr Milliseconds kBootTimeout{120000};

  /// Returns when QEMU's monitor answers, while the guest still boots. Throws with QEMU's message
  /// if it does not start.
  explicit Pod(const PodSettings& settings, const PodTemplateForm& form = {});

  /// Waits for guestd's connection. Throws if none arrives in time or if QEMU exits.
  GuestAgent& agent();
  /// The guest connects again, and the next agent() accepts that connection. Used when a template
  /// is saved.
  void HangUp() { agent_.reset(); }
  Qmp& qmp() { return qemu_->qmp(); }
  Qemu& qemu() { return *qemu_; }
  /// The folder that the guest sees as /share.
  std::filesystem::path share() const { return share_ / "."; }
  std::filesystem::path console() const { return values_.dir / "console.sock"; }
  /// The values of the command line. `dir` is QEMU's folder, with its sockets and its pidfile.
  const PodValues& values() const { return values_; }
  /// The folder for the files of hot-plugged memory, the same as for the pod's RAM; empty for
  /// private RAM, as in a template.
  std::filesystem::path memory_path() const;

  const Accel& accel() const { return accel_; }
  /// "vhost-vsock" or "vhost-user-vsock"; for a template with neither, "virtio-serial".
  std::string VsockKind() const;
  /// "tap with vhost-net", "tap", or "none: REASON".
  const std::string& network() const { return network_; }
  std::string mac() const { return values_.nic ? values_.nic->mac : ""; }
  /// The host's end of the pod's network; unset if network() is "none: REASON".
  const std::optional<Tap>& tap() const { return tap_; }
  /// Measured from the start of QEMU.
  Milliseconds to_qmp() const { return to_qmp_; }
  Milliseconds to_guest() const { return to_guest_; }
  /// nullptr for a pod without virtio-fs.
  Process* virtiofsd() { return virtiofsd_ ? &*virtiofsd_ : nullptr; }

 private:
  void StartVirtiofsd();
  /// Returns the options for the connection to the agent.
  CommandEdit PrepareVsock(QemuOptions* options);
  void PrepareNetwork(QemuOptions* options);
  CommandLine MakeCommand(const CommandEdit& vsock) const;
  std::optional<GuestAgent> AwaitCall(const Deadline& deadline);
  /// Reports the registers of a guest that does not connect. If it was booted with
  /// unknown_nmi_panic and panic_print=1, an NMI makes its kernel print what every task waits for;
  /// console_log is then kept as `.lost`.
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
