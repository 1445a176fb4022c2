// SPDX-License-Identifier: GPL-2.0-or-later
// Scenario 4: a virtual function of the node's NVMe controller is a pod's own disk.
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "base/waiting.h"
#include "kata/pod_agent.h"
#include "kata/pod_checks.h"
#include "kata/pod_shim.h"
#include "lab/on_node/on_node.h"

namespace stx {
namespace {

constexpr size_t kMarker = 1 << 20;

class Sriov : public testing::Test {
 protected:
  void SetUp() override {
    address = VirtualFunction();
    // The virtual function and the controller show the same namespace.
    Shell("head -c " + std::to_string(kMarker) + " /dev/urandom >" + (dir / "marker").string() +
          "; dd if=" + (dir / "marker").string() +
          " of=/dev/nvme0n1 bs=64k oflag=direct conv=fsync 2>/dev/null");
    marker = ReadFile(dir / "marker");
  }
  /// The guest reads what the node has written, and vice versa.
  void UseFromGuest(GuestAgent& guest) {
    WaitUntil("the NVMe of the virtual function", Deadline(kGuestWait), [&] {
      const json names = guest.Request({{"op", "list"}, {"path", "/dev"}})["names"];
      return std::find(names.begin(), names.end(), "nvme0n1") != names.end();
    });
    const RunResult read =
        guest.Exec({"dd", "if=/dev/nvme0n1", "of=/tmp/read", "bs=64k", "count=16", "iflag=direct"});
    ASSERT_TRUE(read.status.Success()) << read.err << guest.Request({{"op", "blocks"}}).dump();
    EXPECT_TRUE(guest.Read("/tmp/read") == marker) << "the guest reads other bytes";
    const RunResult written = guest.Exec({"sh", "-c",
                                          "dd if=/dev/urandom of=/tmp/own bs=64k count=16 && dd "
                                          "if=/tmp/own of=/dev/nvme0n1 bs=64k seek=16 "
                                          "oflag=direct conv=fsync"});
    ASSERT_TRUE(written.status.Success()) << written.err;
    Shell("dd if=/dev/nvme0n1 of=" + (dir / "own").string() +
          " bs=64k skip=16 count=16 iflag=direct 2>/dev/null");
    EXPECT_TRUE(guest.Read("/tmp/own") == ReadFile(dir / "own")) << "the node reads other bytes";
  }

  TempDir dir;
  std::string address, marker;
};

TEST_F(Sriov, AFunctionThereAtTheStart) {
  PodSettings settings = NodePod();
  settings.root_ports = 1;
  settings.vfio = {address};
  Pod pod(settings);
  UseFromGuest(pod.agent());
  ReportFact(address + " cold: 1 MiB read and 1 MiB written by the pod");
}

TEST_F(Sriov, AFunctionPluggedUsedRemovedAndUsedAgainBesideVhostUser) {
  PodSettings settings = NodePod();
  settings.root_ports = 1;
  Pod pod(settings);
  PodShim shim(pod);
  GuestAgent& guest = pod.agent();
  for (const std::optional<unsigned> port :
       {std::optional<unsigned>(), std::optional<unsigned>(0)}) {
    const std::string path = shim.AddVfio(address, port);
    UseFromGuest(guest);
    EXPECT_EQ(CheckShare(pod), "") << "virtio-fs after the function came";
    shim.RemoveVfio(address);
    WaitBlockGone(guest, "nvme0n1");
    EXPECT_EQ(CheckShare(pod), "") << "virtio-fs after the function went";
    ReportFact(address + " hot, " + (port ? "on a root port" : "on the bridge") + " at " + path +
               ": used, removed");
  }
}

}  // namespace
}  // namespace stx
