// SPDX-License-Identifier: GPL-2.0-or-later
// virtio-mem (virtio 1.2, section 5.15) as Kata uses it to resize pods: requests of the host,
// blocks that the guest plugs, and the memory behind them.

#include <gtest/gtest.h>

#include <array>

#include "base/throws.h"
#include "base/waiting.h"
#include "harness/host/memory_map.h"
#include "harness/qemu/device_types.h"
#include "kata/qmp_calls.h"
#include "kata/qtest_pod.h"

namespace stx {
namespace {

constexpr uint64_t kMiB = 1 << 20, kRegion = 512 * kMiB;
constexpr uint16_t kPlug = 0, kUnplug = 1, kUnplugAll = 2, kState = 3;
constexpr uint16_t kAck = 0, kNack = 1, kError = 3;
constexpr uint16_t kPlugged = 0, kUnplugged = 1, kMixed = 2;

class VirtioMem : public testing::Test {
 protected:
  void SetUp() override {
    Covers({"1.2 enable_virtio_mem", "2.2 virtio-mem"});
    if (!HasDeviceType("virtio-mem-pci")) GTEST_SKIP() << "$QEMU has no virtio-mem-pci";
    pod.emplace();
    // As Kata sets it up.
    pod->qmp().Execute("object-add", MakeMemoryBackend("virtiomem", kRegion, "/dev/shm"));
    pod->Add({{"driver", "virtio-mem-pci"}, {"id", "virtiomem0"}, {"memdev", "virtiomem"}},
             "pci-bridge-0", 1);
    device.emplace(pod->bridge(), pod->bridge().At(1));
    StartDriver();
  }
  void StartDriver() {
    // UNPLUGGED_INACCESSIBLE (section 5.15.3) cannot be disabled with shared memory.
    device->Negotiate(virtio::Bit(1));
    queue.emplace(device->SetUpQueue(0, pod->heap()));
    device->SetDriverOk();
  }
  void Request(uint64_t size) {
    pod->qmp().Execute("qom-set",
                       {{"path", "virtiomem0"}, {"property", "requested-size"}, {"value", size}});
  }
  /// Sends one request of the guest and returns the type of the response; for kState, `state` is
  /// set.
  uint16_t Ask(uint16_t type, uint64_t address = 0, uint16_t blocks = 0) {
    QTest& qtest = pod->qtest();
    const uint64_t at = pod->heap().Allocate(64);
    qtest.MemSet(at, 64, 0);
    qtest.WriteW(at, type);
    qtest.WriteQ(at + 8, address);
    qtest.WriteW(at + 16, blocks);
    queue->Add({{at, 24, false}, {at + 32, 10, true}});
    device->Notify(0);
    EXPECT_EQ(queue->Wait(Deadline(Milliseconds(5000))).written, 10u);
    state = qtest.ReadW(at + 40);
    return qtest.ReadW(at + 32);
  }
  uint64_t block() { return device->ConfigQ(0); }
  uint64_t address() { return device->ConfigQ(16); }
  uint64_t usable() { return device->ConfigQ(32); }
  uint64_t plugged() { return device->ConfigQ(40); }
  uint64_t requested() { return device->ConfigQ(48); }
  uint64_t HostSize() {
    return pod->qmp().Execute("qom-get", {{"path", "virtiomem0"}, {"property", "size"}});
  }
  uint16_t Blocks(uint64_t size) { return static_cast<uint16_t>(size / block()); }

  std::optional<QtestPod> pod;
  std::optional<VirtioPciDevice> device;
  std::optional<Virtqueue> queue;
  uint16_t state = 0;
};

TEST_F(VirtioMem, StartsEmptyAndSaysWhereItIs) {
  Covers({"virtio 5.15.4.2 powers"});
  EXPECT_GE(block(), kMiB);
  EXPECT_EQ(block() & (block() - 1), 0u);
  EXPECT_EQ(device->ConfigQ(24), kRegion);
  EXPECT_EQ(plugged(), 0u);
  EXPECT_EQ(requested(), 0u);
  const json info = pod->qmp().Execute("query-memory-devices")[0]["data"];
  EXPECT_EQ(info["memaddr"], address());
  EXPECT_EQ(info["max-size"], kRegion);
  EXPECT_EQ(info["size"], 0);
  EXPECT_EQ(usable(), 0u);
  EXPECT_EQ(Ask(kState, address(), 1), kError) << "nothing is usable yet";
}

TEST_F(VirtioMem, ARequestIsAConfigurationInterruptAndBlocksFollow) {
  Covers({"virtio 5.15.4.2 notified", "virtio 5.15.4.2 plugged-size", "virtio 5.15.4.2 usable",
          "virtio 5.15.6.2 bytes"});
  WaitUntil("no interrupt is pending", Deadline(Milliseconds(5000)),
            [&] { return device->Isr() == 0; });
  Request(64 * kMiB);
  EXPECT_TRUE(device->Isr() & 2);
  EXPECT_EQ(requested(), 64 * kMiB);
  EXPECT_GE(usable(), 64 * kMiB);
  EXPECT_EQ(Ask(kPlug, address(), Blocks(64 * kMiB)), kAck);
  EXPECT_EQ(plugged(), 64 * kMiB);
  EXPECT_EQ(HostSize(), 64 * kMiB);
  const json event = pod->qmp().WaitEvent("MEMORY_DEVICE_SIZE_CHANGE");
  EXPECT_EQ(event["data"]["id"], "virtiomem0");
  EXPECT_EQ(event["data"]["size"], 64 * kMiB);
  EXPECT_EQ(Ask(kState, address(), Blocks(64 * kMiB)), kAck);
  EXPECT_EQ(state, kPlugged);
  pod->qtest().MemWrite(address() + 63 * kMiB, "bytes", 5);
  EXPECT_EQ(pod->qtest().ReadB(address() + 63 * kMiB + 4), 's');
}

TEST_F(VirtioMem, UnpluggedBlocksLoseTheirBytesAndTheHostGetsThemBack) {
  Request(64 * kMiB);
  ASSERT_EQ(Ask(kPlug, address(), Blocks(64 * kMiB)), kAck);
  pod->qtest().MemSet(address(), 64 * kMiB, 0x5a);
  auto resident = [&] {
    uint64_t sum = 0;
    for (const Mapping& mapping : ReadMappings(pod->qemu().process().pid()))
      if (mapping.size() == kRegion) sum += mapping.resident;
    return sum;
  };
  EXPECT_GE(resident(), 64 * kMiB);
  Request(16 * kMiB);
  EXPECT_EQ(Ask(kUnplug, address() + 16 * kMiB, Blocks(48 * kMiB)), kAck);
  EXPECT_EQ(plugged(), 16 * kMiB);
  EXPECT_LE(resident(), 17 * kMiB) << "the memory was not given back";
  EXPECT_EQ(pod->qtest().ReadB(address() + 16 * kMiB - 1), 0x5a);
  EXPECT_EQ(Ask(kState, address(), Blocks(64 * kMiB)), kAck);
  EXPECT_EQ(state, kMixed);
  Request(64 * kMiB);
  ASSERT_EQ(Ask(kPlug, address() + 16 * kMiB, Blocks(48 * kMiB)), kAck);
  EXPECT_EQ(pod->qtest().ReadB(address() + 16 * kMiB), 0) << "old bytes came back";
}

TEST_F(VirtioMem, AGuestGetsNoMoreThanWasRequested) {
  Request(32 * kMiB);
  ASSERT_EQ(Ask(kPlug, address(), Blocks(32 * kMiB)), kAck);
  EXPECT_EQ(Ask(kPlug, address() + 32 * kMiB, 1), kNack);
  EXPECT_EQ(plugged(), 32 * kMiB);
}

TEST_F(VirtioMem, RequestsThatAreWrongAreErrors) {
  Covers({"virtio 5.15.6.3.2 plug", "virtio 5.15.6.4.2 unplug", "virtio 5.15.6.6.2 state"});
  Request(32 * kMiB);
  EXPECT_EQ(Ask(kPlug, address(), 0), kError) << "no block";
  EXPECT_EQ(Ask(kPlug, address() + 1, 1), kError) << "not aligned";
  EXPECT_EQ(Ask(kPlug, address() - block(), 1), kError) << "before the region";
  EXPECT_EQ(Ask(kPlug, address() + kRegion, 1), kError) << "behind the region";
  EXPECT_EQ(Ask(kPlug, ~uint64_t{0} - block() + 1, 0xffff), kError) << "wraps";
  EXPECT_EQ(Ask(kUnplug, address(), 1), kError) << "not plugged";
  EXPECT_EQ(plugged(), 0u);
  ASSERT_EQ(Ask(kPlug, address(), 1), kAck);
  EXPECT_EQ(Ask(kPlug, address(), 1), kError) << "plugged twice";
  EXPECT_EQ(Ask(kPlug, address(), 2), kError) << "half of it plugged";
  EXPECT_EQ(plugged(), block());
  for (uint16_t request : {kUnplug, kState}) {
    SCOPED_TRACE(request);
    EXPECT_EQ(Ask(request, address(), 0), kError) << "no block";
    EXPECT_EQ(Ask(request, address() + 1, 1), kError) << "not aligned";
    EXPECT_EQ(Ask(request, address() - block(), 1), kError) << "before the region";
    EXPECT_EQ(Ask(request, address() + usable(), 1), kError) << "behind the usable region";
    EXPECT_EQ(Ask(request, address(), static_cast<uint16_t>(usable() / block() + 1)), kError)
        << "beyond the usable region";
  }
  EXPECT_EQ(Ask(kUnplug, address(), 2), kError) << "half of it not plugged";
  EXPECT_EQ(plugged(), block());
  EXPECT_EQ(Ask(kState, address(), 1), kAck);
  EXPECT_EQ(state, kPlugged);
  EXPECT_EQ(Ask(kState, address(), 2), kAck);
  EXPECT_EQ(state, kMixed);
  EXPECT_EQ(Ask(kState, address() + block(), 1), kAck);
  EXPECT_EQ(state, kUnplugged);
}

TEST_F(VirtioMem, UnplugAllEndsAtNothing) {
  Covers({"virtio 5.15.6.5.2 unplug-all"});
  Request(32 * kMiB);
  ASSERT_EQ(Ask(kPlug, address(), Blocks(16 * kMiB)), kAck);
  EXPECT_EQ(Ask(kUnplugAll), kAck);
  EXPECT_EQ(plugged(), 0u);
  EXPECT_EQ(HostSize(), 0u);
  EXPECT_EQ(Ask(kState, address(), Blocks(16 * kMiB)), kAck);
  EXPECT_EQ(state, kUnplugged);
}

TEST_F(VirtioMem, WhatIsWhereDoesNotChangeAndAResetKeepsTheBlocks) {
  Covers({"virtio 5.15.4.2 constant", "virtio 5.15.5.2 reset"});
  // block_size, node_id, addr, region_size.
  const auto constant = [&] {
    return std::array<uint64_t, 4>{block(), device->ConfigW(8), address(), device->ConfigQ(24)};
  };
  const auto before = constant();
  Request(64 * kMiB);
  ASSERT_EQ(Ask(kPlug, address(), Blocks(48 * kMiB)), kAck);
  ASSERT_EQ(Ask(kUnplug, address() + 8 * kMiB, Blocks(8 * kMiB)), kAck);
  EXPECT_EQ(constant(), before);
  for (uint64_t at : {uint64_t{0}, 16 * kMiB, 48 * kMiB - 4096})
    pod->qtest().MemSet(address() + at, 4096, static_cast<uint8_t>(0x40 + at / kMiB));
  const uint64_t usable_before = usable();
  for (int i = 0; i < 2; ++i) {
    device->Reset();
    EXPECT_EQ(constant(), before);
    EXPECT_EQ(plugged(), 40 * kMiB);
    EXPECT_EQ(usable(), usable_before);
    EXPECT_EQ(requested(), 64 * kMiB);
    EXPECT_EQ(HostSize(), 40 * kMiB);
    StartDriver();
    const struct {
      uint64_t at, size;
      uint16_t state;
    } ranges[] = {{0, 8 * kMiB, kPlugged},
                  {8 * kMiB, 8 * kMiB, kUnplugged},
                  {16 * kMiB, 32 * kMiB, kPlugged},
                  {48 * kMiB, 16 * kMiB, kUnplugged}};
    for (const auto& range : ranges) {
      EXPECT_EQ(Ask(kState, address() + range.at, Blocks(range.size)), kAck);
      EXPECT_EQ(state, range.state) << range.at;
    }
    for (uint64_t at : {uint64_t{0}, 16 * kMiB, 48 * kMiB - 4096})
      for (uint64_t byte : {uint64_t{0}, uint64_t{4095}})
        EXPECT_EQ(pod->qtest().ReadB(address() + at + byte), 0x40 + at / kMiB) << at;
  }
}

// A driver that does not know that unplugged memory must not be read.
TEST_F(VirtioMem, ADriverThatDoesNotAcceptItsTermsIsRefused) {
  Covers({"virtio 2.2.2 features-ok"});
  device->Reset();
  EXPECT_TRUE(Throws<std::runtime_error>("features", [&] { device->Negotiate(0); }));
  EXPECT_EQ(device->Status() & virtio::kFeaturesOk, 0);
  StartDriver();
  Request(16 * kMiB);
  EXPECT_EQ(Ask(kPlug, address(), 1), kAck);
}

TEST_F(VirtioMem, SizesThatCannotBeAreRefusedWithASentence) {
  for (auto [size, says] : {std::pair<uint64_t, const char*>{kMiB + 1, "multiples of"},
                            {kRegion * 2, "cannot exceed the memory backend size"}}) {
    const std::string said = pod->GetRefusal(
        "qom-set", {{"path", "virtiomem0"}, {"property", "requested-size"}, {"value", size}});
    EXPECT_NE(said.find(says), std::string::npos) << said;
  }
  EXPECT_EQ(requested(), 0u);
}

TEST_F(VirtioMem, ResizedManyTimesItCountsRight) {
  for (uint64_t size : {4, 512, 0, 128, 64, 256, 8, 0}) {
    Request(size * kMiB);
    const uint64_t now = plugged(), want = size * kMiB;
    const uint16_t answer = want > now   ? Ask(kPlug, address() + now, Blocks(want - now))
                            : want < now ? Ask(kUnplug, address() + want, Blocks(now - want))
                                         : kAck;
    ASSERT_EQ(answer, kAck) << size;
    EXPECT_EQ(plugged(), want);
    EXPECT_EQ(HostSize(), want);
  }
}

}  // namespace
}  // namespace stx
