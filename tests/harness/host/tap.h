// SPDX-License-Identifier: GPL-2.0-or-later
// A tap interface in its own network namespace, so that it does not touch the machine's interfaces.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/os.h"

namespace stx {

class Tap {
 public:
  /// An interface `name` (at most 15 bytes) that is up, with `queues` file descriptors and an MTU
  /// of `mtu` bytes. Unset, with the reason in `why_not`, if /dev/net/tun or network namespaces are
  /// not available.
  static std::optional<Tap> Make(const std::string& name, int queues, std::string* why_not,
                                 int mtu = 1500);

  /// One descriptor per queue, for -netdev tap,fds= (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, as Kata
  /// opens them).
  const std::vector<UniqueFd>& fds() const { return fds_; }
  /// The namespace, for setns(2). It lives as long as this object.
  int network_namespace() const { return namespace_.get(); }
  /// The prefix of a command that Run executes in the namespace: nsenter and its options.
  std::vector<std::string> Enter() const;
  const std::string& name() const { return name_; }
  /// Gives the interface an IPv6 address. Throws if the kernel refuses.
  void AddAddress6(const std::string& address, unsigned prefix) const;

 private:
  Tap() = default;
  UniqueFd namespace_;
  std::string name_;
  std::vector<UniqueFd> fds_;
};

}  // namespace stx
