// SPDX-License-Identifier: GPL-2.0-or-later
// A vhost-user-vsock device (virtio 1.2, section 5.10) for hosts without /dev/vhost-vsock. It
// supports stream sockets; vsock_mux.h describes how ports map to Unix sockets.
//   VsockBackend vsock({.socket = dir / "vhost.sock", .guest_cid = 3, .uds = dir / "vsock"});
// serves from then on. QEMU is started with
//   -chardev socket,id=vsock0,path=SOCKET -device vhost-user-vsock-pci,chardev=vsock0
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>

#include "harness/vhost_user/vhost_user_device.h"
#include "harness/vsock/vsock_mux.h"

namespace stx {

struct VsockBackendOptions {
  std::filesystem::path socket;  ///< where QEMU connects
  uint64_t guest_cid = 3;
  std::filesystem::path uds;  ///< where hosts connect; the guest connects to UDS_<port>
};

class VsockBackend final : private VhostUserHandler {
 public:
  /// Both sockets listen when the constructor returns. Old socket files are replaced.
  explicit VsockBackend(const VsockBackendOptions& options);
  /// Closes all streams and the connection to QEMU, and removes both sockets.
  ~VsockBackend() override;

  /// See VhostUserDevice::Broken.
  std::string Broken() const { return device_.Broken(); }

 private:
  std::span<const uint8_t> Config() const override { return config_; }
  void HandleQueue(int index) override;
  void QueueStarted(int index, bool fresh) override;
  void Disconnected() override;
  void Receive();
  void Send();

  std::array<uint8_t, 8> config_;
  std::array<bool, 2> fresh_{};
  bool receive_stopped_ = false;
  VhostUserDevice device_;
  VsockMux mux_;
};

}  // namespace stx
