// SPDX-License-Identifier: GPL-2.0-or-later
// Scenario 6: a pod is reached over IPv6, through its tap and vhost-net, in both directions.
#include <gtest/gtest.h>

#include "kata/pod_agent.h"
#include "lab/on_node/on_node.h"

namespace stx {
namespace {

constexpr const char* kNodeAddress = "fd00:6b61::1";
constexpr const char* kPodAddress = "fd00:6b61::2";
constexpr int kHeaders = 48;  // IPv6 and ICMPv6

class Ipv6 : public testing::TestWithParam<int> {};

TEST_P(Ipv6, PodIsReachedAndReaches) {
  const int mtu = GetParam();
  PodSettings settings = NodePod();
  settings.mtu = mtu;
  Pod pod(settings);
  ASSERT_EQ(pod.network(), "tap with vhost-net");
  GuestAgent& guest = pod.agent();
  const Tap& tap = *pod.tap();
  tap.AddAddress6(kNodeAddress, 64);
  const std::string nic = FindNic(guest, pod.mac());
  ConfigureNic6(guest, nic, kPodAddress, mtu);

  // The largest packet that fits; a larger one would be fragmented.
  Ping6(guest, kNodeAddress, 3, mtu - kHeaders);
  auto from_node = [&](const std::vector<std::string>& command) {
    std::vector<std::string> argv = tap.Enter();
    argv.insert(argv.end(), command.begin(), command.end());
    return stx::Run(argv, Milliseconds(60000));
  };
  const RunResult ping = from_node({"ping", "-6", "-c", "3", "-i", "0.2", "-W", "5", "-M", "do",
                                    "-s", std::to_string(mtu - kHeaders), kPodAddress});
  EXPECT_TRUE(ping.status.Success()) << ping.out << ping.err;

  // A megabyte in both directions over TCP.
  TempDir dir;
  Shell("head -c 1048576 /dev/urandom >" + (dir / "sent").string());
  guest.Exec({"sh", "-c", "nc -l -p 7 -e cat </dev/null >/dev/null 2>&1 &"});
  const RunResult echo =
      from_node({"sh", "-c",
                 "socat -t 10 - TCP6:[" + std::string(kPodAddress) + "]:7,retry=20,interval=0.2 <" +
                     (dir / "sent").string() + " >" + (dir / "back").string()});
  EXPECT_TRUE(echo.status.Success()) << echo.err;
  EXPECT_TRUE(ReadFile(dir / "sent") == ReadFile(dir / "back")) << "other bytes came back";
  ReportFact("MTU " + std::to_string(mtu) +
             ": echo both ways at full size, 1 MiB of TCP there and back");
}

INSTANTIATE_TEST_SUITE_P(Mtu, Ipv6, testing::Values(1500, 9000));

}  // namespace
}  // namespace stx
