// SPDX-License-Identifier: GPL-2.0-or-later
// What a CNI plugin leaves for Kata to take over.
#pragma once

#include <string>
#include <vector>

namespace stx {

/// A network namespace with one end of a veth pair, eth0: fd00:6b61::2, the node is fd00:6b61::1.
class PodNetwork {
 public:
  explicit PodNetwork(int mtu);
  /// A failure fails the test.
  ~PodNetwork();
  PodNetwork(const PodNetwork&) = delete;
  PodNetwork& operator=(const PodNetwork&) = delete;

  /// ctr's flags for a container in it.
  static std::vector<std::string> Flags() { return {"--with-ns", "network:/run/netns/lab6"}; }
};

}  // namespace stx
