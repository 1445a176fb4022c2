// SPDX-License-Identifier: GPL-2.0-or-later
// A vhost-user-net back-end that sends every frame back: the guest receives what it sends.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "harness/vhost_user/vhost_user_device.h"

namespace stx {

/// The first pair of virtio-net queues (virtio 1.2, section 5.1.2), and the size of the frame
/// header in bytes.
inline constexpr uint16_t kReceive = 0, kTransmit = 1;
inline constexpr size_t kNetHeader = 12;

class NetLoopback final : private VhostUserHandler {
 public:
  explicit NetLoopback(const std::filesystem::path& socket) : device_(socket, 2, *this) {
    device_.Start();
  }
  ~NetLoopback() override { device_.Stop(); }
  /// See VhostUserDevice::Broken.
  std::string Broken() const { return device_.Broken(); }

 private:
  void HandleQueue(int) override;

  VhostUserDevice device_;
};

}  // namespace stx
