// SPDX-License-Identifier: GPL-2.0-or-later
// Calls of guests to a vsock port of this host, told apart by their CIDs: clones of a template
// (contract 2.2) all call the port that the template was told.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "base/os.h"

namespace stx {

class VsockCalls {
 public:
  /// Listens on a free port; needs the host's vhost_vsock.
  VsockCalls();

  unsigned port() const { return port_; }
  /// The newest call of the guest `cid`; unset when none came before the deadline.
  std::optional<UniqueFd> Take(uint64_t cid, const Deadline& deadline);

 private:
  UniqueFd listener_;
  unsigned port_ = 0;
  std::map<uint64_t, UniqueFd> calls_;  // not taken yet
};

}  // namespace stx
