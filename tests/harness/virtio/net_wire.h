// SPDX-License-Identifier: GPL-2.0-or-later
// The other end of a NIC's cable: QEMU's dgram net, frames as they are, without virtio-net headers.
#pragma once

#include <optional>
#include <string>

#include "base/os.h"

namespace stx {

class NetWire {
 public:
  static constexpr Milliseconds kWait{10000};

  /// Sockets are made in `dir`.
  explicit NetWire(const TempDir& dir, const std::string& name = "wire");

  /// Of -netdev; its id is n.
  std::string Netdev() const;
  /// To the guest.
  void Send(const std::string& frame);
  /// The next frame of the guest; throws when none comes.
  std::string Receive();
  /// The same if it is there already.
  std::optional<std::string> Take();
  /// Bytes that were sent and QEMU has not taken.
  int Sent() const;

 private:
  std::string ours_, theirs_;
  UniqueFd fd_;
};

}  // namespace stx
