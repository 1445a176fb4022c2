// A pod-shaped guest, booted the way Kata's shim boots one: virtiofsd, vsock, tap, QEMU with
// inherited descriptors; ready when guestd calls back over vsock.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "guest/guest_client.h"
#include "guest/pod_command.h"
#include "harness/accel.h"
#include "harness/process.h"
#include "harness/qemu.h"
#include "harness/tap.h"
#include "harness/vsock_backend.h"

namespace stx {

struct PodSettings {
  PodMachine machine = PodMachine::kQ35;
  bool sandbox = false;
  bool vmlinux = false;  ///< the ELF kernel through pvh.bin instead of the bzImage
  std::string append;    ///< more kernel parameters
  std::filesystem::path qemu;
  std::filesystem::path guest;      ///< build/guest: vmlinuz, vmlinux, initrd, root.img
  std::filesystem::path virtiofsd;  ///< the C daemon of the 7.2 tree
};

/// Everything it started ends with it.
class Pod {
 public:
  /// Returns when QEMU's monitor answers; the guest boots on. Throws with QEMU's own words when it
  /// does not start.
  explicit Pod(const PodSettings& settings);

  /// Waits for guestd's call-back; throws when none came in time or QEMU ended.
  GuestAgent& agent();
  Qmp& qmp() { return qemu_->qmp(); }
  Qemu& qemu() { return *qemu_; }
  /// The folder that the guest sees as /share.
  std::filesystem::path share() const { return share_ / "."; }
  std::filesystem::path console() const { return dir_ / "console.sock"; }

  const Accel& accel() const { return accel_; }
  std::string VsockKind() const { return vsock_ ? "vhost-user-vsock" : "vhost-vsock"; }
  /// "tap with vhost-net", "tap", or "none: REASON".
  const std::string& network() const { return network_; }
  const std::string& mac() const { return command_.mac; }
  Milliseconds to_qmp() const { return to_qmp_; }
  Milliseconds to_guest() const { return to_guest_; }

 private:
  void StartVirtiofsd(const std::filesystem::path& daemon);
  void PrepareVsock(std::vector<int>* fds);
  void PrepareNetwork(std::vector<int>* fds);

  TempDir dir_{"stx-pod"};
  TempDir share_{"stx-share"};
  Accel accel_;
  PodCommand command_;
  Process virtiofsd_;
  std::unique_ptr<VsockBackend> vsock_;
  UniqueFd vsock_device_, call_back_;
  std::optional<Tap> tap_;
  UniqueFd vhost_net_;
  std::string network_;
  Clock::time_point started_;
  std::unique_ptr<Qemu> qemu_;
  std::optional<GuestAgent> agent_;
  Milliseconds to_qmp_{0}, to_guest_{0};
};

}  // namespace stx
