// A tap interface in a network namespace of its own: the machine's own interfaces never see it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "harness/os.h"

namespace stx {

class Tap {
 public:
  /// An interface `name` (at most 15 bytes) that is up, with `queues` file descriptors; unset, with
  /// the reason in `why_not`, where /dev/net/tun or a namespace of its own cannot be had.
  static std::optional<Tap> Make(const std::string& name, int queues, std::string* why_not);

  /// One per queue, for -netdev tap,fds= (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, as Kata opens them).
  const std::vector<UniqueFd>& fds() const { return fds_; }
  /// The namespace, for setns(2); it lives as long as this object.
  int network_namespace() const { return namespace_.get(); }

 private:
  Tap() = default;
  UniqueFd namespace_;
  std::vector<UniqueFd> fds_;
};

}  // namespace stx
