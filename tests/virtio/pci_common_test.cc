// SPDX-License-Identifier: GPL-2.0-or-later
// What a driver may rely on of virtio over PCI (virtio 1.2, section 4.1): the common configuration,
// interrupts, and the reset of a device and of a queue.

#include "virtio/pci_fixture.h"

namespace stx {
namespace {

using enum virtio_pci::Common;
constexpr int kRingReset = 40;

TEST_F(VirtioPci, FeaturesThatTheDeviceCannotDoWithoutAreRequired) {
  Covers({"virtio 2.2.2 features-ok"});
  constexpr int kAccessPlatform = 33;
  Start(",iommu_platform=on");
  ASSERT_TRUE(device->OfferedFeatures() & virtio::Bit(kAccessPlatform));
  for (uint32_t high : {1u, 3u}) {  // VERSION_1 alone, and with ACCESS_PLATFORM
    device->Reset();
    device->SetStatus(virtio::kAcknowledge);
    device->SetStatus(virtio::kAcknowledge | virtio::kDriver);
    qtest().WriteL(At(kDriverFeatureSelect), 0);
    qtest().WriteL(At(kDriverFeature), 0);
    qtest().WriteL(At(kDriverFeatureSelect), 1);
    qtest().WriteL(At(kDriverFeature), high);
    device->SetStatus(virtio::kAcknowledge | virtio::kDriver | virtio::kFeaturesOk);
    EXPECT_EQ(device->Status(),
              virtio::kAcknowledge | virtio::kDriver | (high == 3 ? virtio::kFeaturesOk : 0));
  }
  queue.emplace(device->SetUpQueue(0, *heap));
  device->SetDriverOk();
  ExpectServed();
}

TEST_F(VirtioPci, TheCommonConfigurationReadsBack) {
  Covers({"virtio 4.1.4.3.1 device-feature", "virtio 4.1.4.3.1 driver-feature",
          "virtio 4.1.4.3.1 no-queue", "virtio 4.1.4.3.1 power-of-two", "virtio 4.1.3.1 halves",
          "virtio 4.1.4.3.1 queue-enable", "virtio 4.1.4.3.1 reset", "virtio 2.4.1 status-zero"});
  Start(",num-queues=3,queue-size=64");
  qtest().WriteL(At(kDeviceFeatureSelect), 0);
  const uint32_t low = qtest().ReadL(At(kDeviceFeature));
  EXPECT_TRUE(low & 1u << 9) << "FLUSH";
  qtest().WriteL(At(kDeviceFeatureSelect), 1);
  EXPECT_EQ(qtest().ReadL(At(kDeviceFeatureSelect)), 1u);
  EXPECT_TRUE(qtest().ReadL(At(kDeviceFeature)) & 1) << "VERSION_1";
  qtest().WriteL(At(kDeviceFeatureSelect), 2);
  EXPECT_EQ(qtest().ReadL(At(kDeviceFeature)), 0u) << "there are 64 bits";
  device->Negotiate(virtio::Bit(9) | virtio::Bit(virtio::kFeatureIndirect));
  for (uint32_t half : {0u, 1u, 2u}) {
    qtest().WriteL(At(kDriverFeatureSelect), half);
    EXPECT_EQ(qtest().ReadL(At(kDriverFeatureSelect)), half);
    EXPECT_EQ(qtest().ReadL(At(kDriverFeature)), half == 0   ? 1u << 9 | 1u << 28
                                                 : half == 1 ? 1u
                                                             : 0u);
  }
  EXPECT_EQ(qtest().ReadW(At(kNumQueues)), 3);
  for (uint16_t i : {0, 1, 2}) EXPECT_EQ(device->QueueMaxSize(i), 64) << i;
  for (uint16_t i : {3, 100, 1023}) EXPECT_EQ(device->QueueMaxSize(i), 0) << i;
  for (uint16_t i : {0, 2}) {
    qtest().WriteW(At(kQueueSelect), i);
    EXPECT_EQ(qtest().ReadW(At(kQueueSelect)), i);
    qtest().WriteW(At(kQueueSize), static_cast<uint16_t>(8 << i));
    for (uint32_t part = 0; part < 3; ++part) {
      qtest().WriteL(At(kQueueDesc + 8 * part), 0x10000 * (part + 1) + 0x1000 * i);
      qtest().WriteL(At(kQueueDesc + 8 * part + 4), part + i);
    }
  }
  for (uint16_t i : {0, 2}) {
    qtest().WriteW(At(kQueueSelect), i);
    EXPECT_EQ(qtest().ReadW(At(kQueueSize)), 8 << i);
    EXPECT_EQ(qtest().ReadW(At(kQueueEnable)), 0);
    for (uint32_t part = 0; part < 3; ++part) {
      EXPECT_EQ(qtest().ReadL(At(kQueueDesc + 8 * part)), 0x10000 * (part + 1) + 0x1000 * i);
      EXPECT_EQ(qtest().ReadL(At(kQueueDesc + 8 * part + 4)), part + i);
    }
  }
  queue.emplace(device->SetUpQueue(1, *heap));
  EXPECT_EQ(qtest().ReadW(At(kQueueEnable)), 1);
  qtest().WriteW(At(kQueueSelect), 2);
  EXPECT_EQ(qtest().ReadW(At(kQueueEnable)), 0) << "another queue";
  EXPECT_EQ(device->Status(), virtio::kAcknowledge | virtio::kDriver | virtio::kFeaturesOk);
  device->Reset();
  EXPECT_EQ(device->Status(), 0);
  for (uint16_t i : {0, 1, 2}) {
    EXPECT_EQ(device->QueueMaxSize(i), 64) << "what the device has";
    EXPECT_EQ(qtest().ReadW(At(kQueueEnable)), 0);
    EXPECT_EQ(qtest().ReadL(At(kQueueDesc)), 0u);
  }
}

TEST_F(VirtioPci, AChangedConfigurationHasAnotherGeneration) {
  Covers({"virtio 4.1.4.3.1 generation", "virtio 4.1.4.5.1 config-bit",
          "virtio 4.1.4.5.1 interrupt-status", "virtio 4.1.4.5.1 clear"});
  Start();
  StartDriver();
  device->Isr();
  const uint8_t before = qtest().ReadB(At(kGeneration));
  EXPECT_EQ(device->ConfigQ(0), 2048u);
  EXPECT_EQ(qtest().ReadB(At(kGeneration)), before) << "nothing has changed";
  qmp().Execute("block_resize", {{"node-name", "d"}, {"size", 2 << 20}});
  WaitUntil("the interrupt", Deadline(kWait), [&] { return InterruptStatus(); });
  EXPECT_EQ(device->ConfigQ(0), 4096u);
  EXPECT_NE(qtest().ReadB(At(kGeneration)), before);
  EXPECT_EQ(device->Isr(), 3) << "the configuration; QEMU sets the queue's bit, too";
  EXPECT_FALSE(InterruptStatus());
  EXPECT_EQ(device->Isr(), 0);
}

TEST_F(VirtioPci, AnInterruptIsToldByItsLine) {
  Covers({"virtio 4.1.4.5.1 queue-bit", "virtio 4.1.4.5.1 interrupt-status",
          "virtio 4.1.4.5.1 clear"});
  Start();
  StartDriver();
  EXPECT_FALSE(InterruptStatus());
  ExpectServed();
  WaitUntil("the interrupt", Deadline(kWait), [&] { return InterruptStatus(); });
  EXPECT_EQ(device->Isr(), 1);
  EXPECT_FALSE(InterruptStatus());
  ExpectServed();
  WaitUntil("the interrupt", Deadline(kWait), [&] { return InterruptStatus(); });
  device->Reset();
  EXPECT_FALSE(InterruptStatus()) << "a reset ends it";
  EXPECT_EQ(device->Isr(), 0);
}

TEST_F(VirtioPci, VectorsAreMappedUnmappedAndForgotten) {
  Covers({"virtio 4.1.5.1.2.1 table-size", "virtio 4.1.5.1.2.1 map", "virtio 4.1.5.1.2.1 unmap",
          "virtio 4.1.5.1.2.1 read-back", "virtio 4.1.5.1.2.1 reset", "virtio 4.1.5.1.2.1 failure",
          "virtio 4.1.5.3.1 no-vector", "virtio 4.1.5.4.1 no-vector"});
  Start(",num-queues=2,vectors=4");
  Msix msix(device->pci(), device->bars());
  ASSERT_EQ(msix.vectors(), 4);
  const uint64_t inbox = heap->Allocate(16);
  msix.Enable();
  for (uint16_t vector = 0; vector < 4; ++vector)
    msix.Route(vector, inbox + 4 * vector, 0x100u + vector);
  StartDriver();
  const auto clear = [&] { qtest().MemSet(inbox, 16, 0); };
  const auto messages = [&] {
    std::string came;
    for (uint16_t vector = 0; vector < 4; ++vector)
      if (const uint32_t value = qtest().ReadL(inbox + 4 * vector)) {
        EXPECT_EQ(value, 0x100u + vector);
        came += static_cast<char>('0' + vector);
      }
    return came;
  };
  for (uint16_t vector : {3, 0, 2, 1}) {
    EXPECT_EQ(device->SetQueueVector(0, vector), vector);
    EXPECT_EQ(device->SetConfigVector(static_cast<uint16_t>(3 - vector)), 3 - vector);
    clear();
    ExpectServed();
    WaitUntil("a message", Deadline(kWait), [&] { return !messages().empty(); });
    EXPECT_EQ(messages(), std::string(1, static_cast<char>('0' + vector)));
    clear();
    qmp().Execute("block_resize", {{"node-name", "d"}, {"size", (1 << 20) + 65536 * (vector + 1)}});
    WaitUntil("a message", Deadline(kWait), [&] { return !messages().empty(); });
    EXPECT_EQ(messages(), std::string(1, static_cast<char>('0' + 3 - vector)));
  }
  EXPECT_EQ(device->SetQueueVector(0, 4), virtio::kNoVector) << "there is none";
  EXPECT_EQ(device->SetQueueVector(1, 2), 2);
  EXPECT_EQ(device->SetQueueVector(0, virtio::kNoVector), virtio::kNoVector);
  EXPECT_EQ(device->SetConfigVector(virtio::kNoVector), virtio::kNoVector);
  EXPECT_EQ(device->SetQueueVector(1, 2), 2) << "the other queue's";
  clear();
  ExpectServed();
  qmp().Execute("block_resize", {{"node-name", "d"}, {"size", 4 << 20}});
  WaitUntil("the new size", Deadline(kWait), [&] { return device->ConfigQ(0) == 8192; });
  qmp().Execute("query-status");
  EXPECT_EQ(messages(), "");
  EXPECT_FALSE(InterruptStatus());
  device->SetConfigVector(1);
  device->Reset();
  EXPECT_EQ(Vector(kConfigVector), virtio::kNoVector);
  for (uint16_t i : {0, 1}) {
    qtest().WriteW(At(kQueueSelect), i);
    EXPECT_EQ(Vector(kQueueVector), virtio::kNoVector) << i;
  }
}

TEST_F(VirtioPci, AfterAResetTheDeviceIsQuiet) {
  Covers({"virtio 2.4.1 quiet"});
  Start();
  StartDriver();
  ExpectServed();
  device->Isr();
  device->Reset();
  const Request late = Make();
  Add(*queue, late);
  device->Notify(0);
  ExpectNothing(*queue);
  EXPECT_FALSE(Answered(late));
  EXPECT_EQ(device->Isr(), 0);
}

TEST_F(VirtioPci, ABrokenDeviceAsksForAResetAndSaysSo) {
  Covers({"virtio 2.1.2 needs-reset-notified"});
  Start();
  StartDriver();
  device->Isr();
  queue->Add({{heap->Allocate(16), 16, false}});  // no room for a status
  device->Notify(0);
  WaitUntil("DEVICE_NEEDS_RESET", Deadline(kWait),
            [&] { return device->Status() & virtio::kNeedsReset; });
  EXPECT_TRUE(device->Isr() & 2) << "a change of the configuration is notified";
  const Request request = Make();
  Add(*queue, request);
  device->Notify(0);
  ExpectNothing(*queue);
  StartDriver();
  ExpectServed();
}

TEST_F(VirtioPci, AQueueIsResetAlone) {
  Covers({"virtio 2.6.1.1.1 no-requests", "virtio 2.6.1.1.1 default-state",
          "virtio 2.6.1.2.1 new-configuration", "virtio 4.1.4.3.1 queue-reset-zero",
          "virtio 4.1.4.3.1 queue-reset-enabled", "virtio 4.1.4.3.1 queue-reset",
          "virtio 4.1.4.3.1 queue-reset-done"});
  Start(",num-queues=2");
  ASSERT_TRUE(device->OfferedFeatures() & virtio::Bit(kRingReset));
  device->Negotiate(virtio::Bit(kRingReset) | virtio::Bit(12));
  queue.emplace(device->SetUpQueue(0, *heap, 16));
  Virtqueue other = device->SetUpQueue(1, *heap, 16);
  device->SetDriverOk();
  EXPECT_EQ(qtest().ReadW(At(kQueueReset)), 0);
  ExpectServed();
  qtest().WriteW(At(kQueueSelect), 0);
  qtest().WriteW(At(kQueueReset), 1);
  EXPECT_EQ(qtest().ReadW(At(kQueueReset)), 0);
  EXPECT_EQ(qtest().ReadW(At(kQueueEnable)), 0);
  const Request late = Make();
  Add(*queue, late);
  device->Notify(0);
  ExpectNothing(*queue);
  Request request = Make();
  Add(other, request);
  device->Notify(1);
  other.Wait(Deadline(kWait));
  EXPECT_TRUE(Answered(request)) << "the other queue goes on";
  queue.emplace(device->SetUpQueue(0, *heap, 8));
  EXPECT_EQ(qtest().ReadW(At(kQueueReset)), 0);
  EXPECT_EQ(qtest().ReadW(At(kQueueEnable)), 1);
  EXPECT_EQ(qtest().ReadW(At(kQueueSize)), 8);
  for (int i = 0; i < 20; ++i) ExpectServed();
  EXPECT_FALSE(Answered(late));
}

}  // namespace
}  // namespace stx
