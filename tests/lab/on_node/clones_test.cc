// SPDX-License-Identifier: GPL-2.0-or-later
// A VM template under KVM, and clones that share its memory until they write to it.
#include <gtest/gtest.h>

#include "kata/pod_template.h"
#include "lab/on_node/on_node.h"

namespace stx {
namespace {

TEST(Template, ClonesGoOnWhereItWas) {
  PodTemplate made(NodePod());
  std::vector<std::unique_ptr<Pod>> clones;
  for (int i = 0; i < 3; ++i) clones.push_back(made.Clone());
  for (size_t i = 0; i < clones.size(); ++i) {
    GuestAgent& guest = clones[i]->agent();
    // The clone has not booted: its uptime is longer than that of its QEMU.
    EXPECT_GT(guest.Info()["uptime_ms"].get<long>(), clones[i]->to_guest().count());
    guest.Write("/tmp/own", std::to_string(i));
  }
  for (size_t i = 0; i < clones.size(); ++i)
    EXPECT_EQ(clones[i]->agent().Read("/tmp/own"), std::to_string(i));
  ReportFact("saved in " + Text(made.to_save()) + "; 3 clones answer over " +
             clones[0]->VsockKind() + ", the first after " + Text(clones[0]->to_guest()));
}

}  // namespace
}  // namespace stx
