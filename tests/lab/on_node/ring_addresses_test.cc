// SPDX-License-Identifier: GPL-2.0-or-later
// The purpose of WRO 9: when the guest's memory map changes under a pod, the virtual switch behind
// its vhost-user NIC must receive the addresses of the rings again, or the port stays down.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "harness/vhost_user/vhost_user_recorder.h"
#include "kata/pod_agent.h"
#include "kata/pod_shim.h"
#include "lab/on_node/on_node.h"

namespace stx {
namespace {

using Request = VhostUserRequest;

/// The rings whose addresses were sent after the last memory table; unset if no table was sent.
std::optional<std::set<uint32_t>> RingsAfterTable(const std::vector<VhostUserMessage>& messages) {
  std::optional<std::set<uint32_t>> rings;
  for (const VhostUserMessage& message : messages) {
    if (message.request == Request::kSetMemTable) rings.emplace();
    if (rings && message.request == Request::kSetVringAddr)
      rings->insert(message.RingAddresses().index);
  }
  return rings;
}

TEST(RingAddresses, TheSwitchHearsThemAgainAfterMemoryWasAdded) {
  TempDir dir;
  VhostUserRecorder port(dir / "vhu.sock");
  PodSettings settings = NodePod();
  settings.vhost_user_nic = dir / "vhu.sock";
  Pod pod(settings);
  PodShim shim(pod);
  GuestAgent& guest = pod.agent();
  guest.Exec({"ip", "link", "set", FindNic(guest, kVhostUserNicMac), "up"});
  ASSERT_TRUE(port.WaitUntil(
      [](const auto& messages) {
        return RingsAfterTable(messages) == std::set<uint32_t>{0, 1};
      },
      Deadline(Milliseconds(20000))))
      << "the guest's driver has not started its rings";
  size_t before = port.Messages().size();
  const uint64_t memory = ReadTotalMemoryKb(guest);
  shim.AddMemory(128);
  OnlineMemory(guest, memory + 120 * 1024);
  auto rings = RingsAfterTable(port.MessagesAfter(before));
  ASSERT_TRUE(rings) << "the switch was not told of the memory";
  EXPECT_EQ(*rings, (std::set<uint32_t>{0, 1}));
  ReportFact("after a DIMM: a new memory table, then the addresses of rings 0 and 1");
}

}  // namespace
}  // namespace stx
