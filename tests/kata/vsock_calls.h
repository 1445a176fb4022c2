// SPDX-License-Identifier: GPL-2.0-or-later
// Connections from guests to a vsock port of this host, told apart by CID: all clones of a template
// (contract 2.2) connect to the port that was set in the template.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "base/os.h"

namespace stx {

class VsockCalls {
 public:
  /// Listens on a free port. Requires the host's vhost_vsock.
  VsockCalls();

  unsigned port() const { return port_; }
  /// The newest connection from the guest `cid`; unset if none arrives before the deadline.
  std::optional<UniqueFd> Take(uint64_t cid, const Deadline& deadline);

 private:
  UniqueFd listener_;
  unsigned port_ = 0;
  std::map<uint64_t, UniqueFd> calls_;  // not taken yet
};

}  // namespace stx
