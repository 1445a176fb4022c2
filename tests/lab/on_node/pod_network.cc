// SPDX-License-Identifier: GPL-2.0-or-later
#include "lab/on_node/pod_network.h"

#include <gtest/gtest.h>

#include "lab/on_node/on_node.h"

namespace stx {

PodNetwork::PodNetwork(int mtu) {
  const std::string size = std::to_string(mtu);
  Shell("ip netns add lab6; ip link add lab6 mtu " + size +
        " type veth peer name eth0 netns lab6;" +
        "ip link set lab6 up; ip -6 address add fd00:6b61::1/64 dev lab6 nodad;" +
        "ip -n lab6 link set lo up; ip -n lab6 link set eth0 mtu " + size + " up;" +
        "ip -n lab6 -6 address add fd00:6b61::2/64 dev eth0 nodad");
}

PodNetwork::~PodNetwork() {
  try {
    Shell("ip netns delete lab6");
  } catch (const std::exception& error) {
    ADD_FAILURE() << error.what();
  }
}

}  // namespace stx
