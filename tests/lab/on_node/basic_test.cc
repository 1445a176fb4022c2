// SPDX-License-Identifier: GPL-2.0-or-later
// Scenario 1 of StarlingX's specification: the pod runs on its own kernel.
#include <gtest/gtest.h>
#include <sys/utsname.h>

#include "lab/on_node/on_node.h"

namespace stx {
namespace {

TEST(Basic, PodHasItsOwnKernel) {
  Pod pod(NodePod());
  ASSERT_TRUE(pod.accel().kvm) << pod.accel().reason;
  const std::string release = pod.agent().Info()["release"];
  utsname node{};
  uname(&node);
  EXPECT_NE(release, node.release);
  ReportFact("the pod's kernel is " + release + ", the node's " + node.release +
             "; guest up after " + Text(pod.to_guest()));
}

}  // namespace
}  // namespace stx
