// SPDX-License-Identifier: GPL-2.0-or-later
// vhost-verify-ring.patch: a guest takes away memory that contains a ring of a running vhost
// device. QEMU survives, the device reports that it needs a reset, the back-end is told to stop and
// never gets a ring that it cannot find, and the next driver is served.

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>

#include "harness/qemu/guest_heap.h"
#include "harness/qemu/pci.h"
#include "harness/qemu/qemu.h"
#include "harness/vhost_user/vhost_user_recorder.h"
#include "harness/virtio/virtio_pci.h"

namespace stx {
namespace {

using Request = VhostUserRequest;
using Messages = std::vector<VhostUserMessage>;

constexpr Milliseconds kWait{20000};
constexpr uint16_t kQueueSize = 64;
// q35's PAM registers (MCH, section 5.1.19 of its datasheet) have two bits, read and write, for
// each 16 KiB from 0xc0000 on. 0x91 is for 0xc0000 (low nibble) and 0xc4000 (high nibble).
constexpr uint8_t kPam0 = 0x90;
constexpr uint64_t kSegment = 0xc4000;

size_t Count(const Messages& messages, Request request) {
  return static_cast<size_t>(std::count_if(messages.begin(), messages.end(),
                                           [&](const auto& m) { return m.request == request; }));
}

class VhostRing : public testing::Test {
 protected:
  /// A pod's shared folder on a recording back-end. All memory below 1 MiB is RAM.
  void SetUp() override {
    recorder.emplace(dir / "vhost.sock");
    QemuOptions options;
    options.qtest = true;
    options.args = {"-M",         "q35,memory-backend=ram",
                    "-m",         "128M",
                    "-object",    "memory-backend-memfd,id=ram,size=128M,share=on",
                    "-chardev",   "socket,id=c,path=" + (dir / "vhost.sock").string(),
                    "-device",    "vhost-user-fs-pci,chardev=c,tag=kataShared,addr=5",
                    "-nodefaults"};
    qemu.emplace(std::move(options));
    bus.emplace(qemu->qtest());
    device.emplace(*bus, bus->At(5));
    SetSegment(true);
  }
  void TearDown() override {
    if (HasFailure() && qemu) std::cerr << qemu->Report();
  }

  /// Switches kSegment between RAM and what is behind it.
  void SetSegment(bool is_ram) {
    bus->At(0).WriteW(kPam0, static_cast<uint16_t>((is_ram ? 0x33 : 0x03) << 8 | 0x33));
  }
  /// The descriptors of the second queue are at `descriptors`, everything else in ordinary memory.
  void StartDriver(uint64_t descriptors) {
    device->Negotiate(0);
    device->SetUpQueue(0, heap, kQueueSize);
    const uint64_t available = heap.Allocate(4096, 4096), used = heap.Allocate(4096, 4096);
    device->PlaceQueue(1, {kQueueSize, descriptors, available, used});
    device->SetDriverOk();
    ASSERT_TRUE(recorder->WaitUntil(
        [](const Messages& m) { return Count(m, Request::kSetVringAddr) == 2; }, Deadline(kWait)));
  }
  void ExpectStoppedAndServedAgain() {
    const size_t before = recorder->Messages().size();
    SetSegment(false);
    ASSERT_EQ(qemu->qmp().Execute("query-status")["status"], "running");
    EXPECT_TRUE(device->Status() & virtio::kNeedsReset);
    EXPECT_TRUE(recorder->WaitUntil(
        [&](const Messages& m) {
          return Count({m.begin() + static_cast<int64_t>(before), m.end()},
                       Request::kGetVringBase) == 2;
        },
        Deadline(kWait)));
    const Messages stop = recorder->MessagesAfter(before);
    EXPECT_EQ(Count(stop, Request::kSetVringAddr), 0u) << "of a ring that is not in memory";
    EXPECT_EQ(Count(stop, Request::kSetMemTable), 0u) << "without the ring, while it is in use";

    const size_t stopped = recorder->Messages().size();
    device->Negotiate(0);
    for (uint16_t i : {0, 1}) device->SetUpQueue(i, heap, kQueueSize);
    device->SetDriverOk();
    EXPECT_EQ(device->Status() & virtio::kNeedsReset, 0);
    EXPECT_TRUE(recorder->WaitUntil(
        [&](const Messages& m) {
          return Count({m.begin() + static_cast<int64_t>(stopped), m.end()},
                       Request::kSetVringAddr) == 2;
        },
        Deadline(kWait)));
    const Messages start = recorder->MessagesAfter(stopped);
    EXPECT_EQ(Count(start, Request::kSetMemTable), 1u);
    EXPECT_EQ(Count(start, Request::kSetVringKick), 2u);
    // From now on, memory changes are followed as usual.
    const size_t running = recorder->Messages().size();
    SetSegment(true);
    EXPECT_EQ(qemu->qmp().Execute("query-status")["status"], "running");
    const Messages after = recorder->MessagesAfter(running);
    EXPECT_EQ(Count(after, Request::kSetMemTable), 1u);
    EXPECT_EQ(device->Status() & virtio::kNeedsReset, 0);
  }

  TempDir dir;
  std::optional<VhostUserRecorder> recorder;
  std::optional<Qemu> qemu;
  std::optional<PciBus> bus;
  std::optional<VirtioPciDevice> device;
  GuestHeap heap{16 << 20, 16 << 20};
};

TEST_F(VhostRing, OfWhichAPartIsTakenAway) {
  StartDriver(kSegment - kQueueSize * 16 / 2);
  ExpectStoppedAndServedAgain();
}

TEST_F(VhostRing, ThatIsTakenAwayAsAWhole) {
  StartDriver(kSegment + 4096);
  ExpectStoppedAndServedAgain();
}

// Only a ring in use matters, and a paused machine has none.
TEST_F(VhostRing, ThatIsTakenAwayWhileTheMachineIsPaused) {
  StartDriver(kSegment + 4096);
  qemu->qmp().Execute("stop");
  SetSegment(false);
  EXPECT_EQ(qemu->qmp().Execute("query-status")["status"], "paused");
  SetSegment(true);
  qemu->qmp().Execute("cont");
  EXPECT_EQ(qemu->qmp().Execute("query-status")["status"], "running");
  EXPECT_EQ(device->Status() & virtio::kNeedsReset, 0);
}

}  // namespace
}  // namespace stx
