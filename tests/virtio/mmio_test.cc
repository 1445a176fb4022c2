// SPDX-License-Identifier: GPL-2.0-or-later
// What a driver may rely on of virtio over MMIO (virtio 1.2, section 4.2), on microvm's transports:
// ids, the interrupt status, generations, and the reset of a device and of a queue.

#include "base/waiting.h"
#include "harness/qemu/contract.h"
#include "harness/virtio/virtio_mmio.h"
#include "virtio/disk_fixture.h"

namespace stx {
namespace {

using enum virtio_mmio::Register;

class VirtioMmio : public MachineTest {
 protected:
  static constexpr Milliseconds kWait{10000};
  static constexpr uint16_t kBlock = 2;
  static constexpr uint32_t kIdBytes = 20;

  void Start(bool legacy = false) {
    WriteFile(dir / "disk", std::string(1 << 20, '\0'));
    StartMachine({"-global", std::string("virtio-mmio.force-legacy=") + (legacy ? "on" : "off"),
                  "-blockdev", "driver=file,node-name=d,filename=" + (dir / "disk").string(),
                  "-device", "virtio-blk-device,drive=d,serial=serial-1,num-queues=3"},
                 "microvm");
    device = VirtioMmioDevice::FindOnMicrovm(qtest(), kBlock);
    if (!device) throw std::runtime_error("no virtio-blk on microvm's transports");
  }
  void StartDriver() {
    device->Negotiate(virtio::Bit(12));  // MQ
    queues.clear();
    for (uint16_t i : {0, 1}) queues.push_back(device->SetUpQueue(i, *heap, 16));
    device->SetDriverOk();
  }
  uint32_t Read(uint32_t offset) { return qtest().ReadL(device->base() + offset); }
  void Write(uint32_t offset, uint32_t value) { qtest().WriteL(device->base() + offset, value); }
  uint32_t Ready(uint32_t index) {
    Write(kQueueSelect, index);
    return Read(kQueueReady);
  }

  struct Request {
    uint64_t id, status;
  };
  /// A request for the serial number, available but not notified.
  Request Add(Virtqueue& queue) {
    const uint64_t header = heap->Allocate(16);
    const Request request{heap->Allocate(kIdBytes), heap->Allocate(1)};
    qtest().MemSet(header, 16, 0);
    qtest().WriteL(header, 8);  // GET_ID
    qtest().MemSet(request.id, kIdBytes, 0xee);
    qtest().WriteB(request.status, 0xee);
    queue.Add({{header, 16, false}, {request.id, kIdBytes, true}, {request.status, 1, true}});
    return request;
  }
  bool Answered(const Request& request) {
    const auto id = qtest().MemRead(request.id, 9);
    return qtest().ReadB(request.status) == 0 &&
           std::string(id.begin(), id.end()) == std::string("serial-1\0", 9);
  }
  void ExpectServed(uint16_t index) {
    const Request request = Add(queues.at(index));
    device->Notify(index);
    EXPECT_EQ(queues.at(index).Wait(Deadline(kWait)).written, kIdBytes + 1);
    EXPECT_TRUE(Answered(request));
  }
  /// The device does nothing with this request.
  void ExpectNothing(Virtqueue& queue, const Request& request) {
    EXPECT_FALSE(HoldsBefore(Deadline(Milliseconds(20)), [&] { return bool(queue.Take()); }));
    EXPECT_EQ(qtest().ReadB(request.status), 0xee);
    EXPECT_EQ(qtest().ReadB(request.id), 0xee);
  }
  void WaitInterrupt(uint32_t bits) {
    WaitUntil("the interrupt", Deadline(kWait),
              [&] { return (Read(kInterruptStatus) & bits) == bits; });
  }
  void Resize(uint64_t size) {
    qmp().Execute("block_resize", {{"node-name", "d"}, {"size", size}});
  }

  std::optional<VirtioMmioDevice> device;
  std::vector<Virtqueue> queues;
};

TEST_F(VirtioMmio, EveryTransportSaysWhatItIs) {
  Covers({"virtio 4.2.2.1 magic", "virtio 4.2.2.1 version"});
  for (bool legacy : {false, true}) {
    Start(legacy);
    int devices = 0;
    for (uint64_t i = 0; i < VirtioMmioDevice::kMicrovmCount; ++i) {
      const uint64_t base = VirtioMmioDevice::kMicrovmBase + i * VirtioMmioDevice::kMicrovmStep;
      if (qtest().ReadL(base + kMagic) == 0) continue;  // without an I/O APIC that has its line
      EXPECT_EQ(qtest().ReadL(base + kMagic), 0x74726976u) << i;
      EXPECT_EQ(qtest().ReadL(base + kVersion), legacy ? 1u : 2u) << i;
      const uint32_t id = qtest().ReadL(base + kDeviceId);
      if (id == 0) continue;  // no device: nothing else may be read
      ++devices;
      EXPECT_EQ(id, kBlock);
      EXPECT_EQ(base, device->base());
      EXPECT_EQ(qtest().ReadL(base + 12), 0x554d4551u) << "the vendor: QEMU";
    }
    EXPECT_EQ(devices, 1);
    EXPECT_EQ(device->QueueMaxSize(0) & (device->QueueMaxSize(0) - 1), 0);
    EXPECT_GT(device->QueueMaxSize(2), 0);
    EXPECT_EQ(device->QueueMaxSize(3), 0) << "there are three";
    // What is only read is not written.
    for (uint32_t offset : {kMagic, kVersion, kDeviceId}) Write(offset, 0x12345678);
    EXPECT_EQ(Read(kMagic), 0x74726976u);
    EXPECT_EQ(Read(kDeviceId), kBlock);
  }
}

TEST_F(VirtioMmio, FeaturesAreSelectedByHalves) {
  Start();
  Write(kDeviceFeaturesSelect, 1);
  EXPECT_TRUE(Read(kDeviceFeatures) & 1) << "VERSION_1";
  Write(kDeviceFeaturesSelect, 0);
  EXPECT_TRUE(Read(kDeviceFeatures) & 1u << 9) << "FLUSH";
  // The upper half first, then the lower, as the order is the driver's.
  device->Reset();
  device->SetStatus(virtio::kAcknowledge | virtio::kDriver);
  Write(kDriverFeaturesSelect, 1);
  Write(kDriverFeatures, 1);
  Write(kDriverFeaturesSelect, 0);
  Write(kDriverFeatures, 1u << 12);
  device->SetStatus(virtio::kAcknowledge | virtio::kDriver | virtio::kFeaturesOk);
  EXPECT_EQ(device->Status(), virtio::kAcknowledge | virtio::kDriver | virtio::kFeaturesOk);
  queues.push_back(device->SetUpQueue(0, *heap));
  device->SetDriverOk();
  ExpectServed(0);
}

TEST_F(VirtioMmio, AnEventIsToldUntilItIsAcknowledged) {
  Covers({"virtio 4.2.2.1 event-bits"});
  Start();
  StartDriver();
  EXPECT_EQ(Read(kInterruptStatus), 0u);
  ExpectServed(0);
  WaitInterrupt(1);
  EXPECT_EQ(Read(kInterruptStatus), 1u) << "a used buffer, and no change of the configuration";
  EXPECT_EQ(Read(kInterruptStatus), 1u) << "a read acknowledges nothing";
  Write(kInterruptAck, 2);
  EXPECT_EQ(Read(kInterruptStatus), 1u) << "another event was acknowledged";
  Write(kInterruptAck, 1);
  EXPECT_EQ(Read(kInterruptStatus), 0u);

  Resize(2 << 20);
  WaitInterrupt(2);
  EXPECT_EQ(Read(kInterruptStatus) & ~3u, 0u);
  Write(kInterruptAck, 1);
  EXPECT_EQ(Read(kInterruptStatus), 2u) << "the configuration's is not acknowledged";
  ExpectServed(1);
  WaitInterrupt(3);
  Write(kInterruptAck, 2);
  EXPECT_EQ(Read(kInterruptStatus), 1u) << "that of the queue is not acknowledged";
  Write(kInterruptAck, 3);
  EXPECT_EQ(Read(kInterruptStatus), 0u);
}

TEST_F(VirtioMmio, AChangedConfigurationHasAnotherGeneration) {
  Covers({"virtio 4.2.2.1 generation"});
  Start();
  StartDriver();
  uint32_t before = Read(kGeneration);
  EXPECT_EQ(device->ConfigQ(0), 2048u);
  EXPECT_EQ(Read(kGeneration), before) << "nothing has changed";
  for (uint64_t size : {4 << 20, 1 << 20, 3 << 20}) {
    Resize(size);
    WaitUntil("the new size", Deadline(kWait), [&] { return device->ConfigQ(0) == size / 512; });
    EXPECT_NE(Read(kGeneration), before) << size;
    before = Read(kGeneration);
    EXPECT_EQ(device->ConfigL(0), size / 512) << "each half of the field";
    EXPECT_EQ(device->ConfigL(4), 0u);
    EXPECT_EQ(device->ConfigW(0) | device->ConfigW(2) << 16, int(size / 512));
    EXPECT_EQ(Read(kGeneration), before);
  }
}

TEST_F(VirtioMmio, AResetClearsInterruptsAndQueues) {
  Covers({"virtio 4.2.2.1 reset"});
  Start();
  StartDriver();
  EXPECT_EQ(Ready(0), 1u);
  EXPECT_EQ(Ready(1), 1u);
  EXPECT_EQ(Ready(2), 0u) << "not set up";
  ExpectServed(0);
  Resize(2 << 20);
  WaitInterrupt(3);
  device->SetStatus(0);
  EXPECT_EQ(device->Status(), 0);
  EXPECT_EQ(Read(kInterruptStatus), 0u);
  for (uint32_t i : {0, 1, 2}) EXPECT_EQ(Ready(i), 0u) << i;
  const Request late = Add(queues[0]);
  device->Notify(0);
  ExpectNothing(queues[0], late);
  EXPECT_EQ(Read(kInterruptStatus), 0u);
  StartDriver();
  for (uint16_t i : {0, 1}) ExpectServed(i);
}

TEST_F(VirtioMmio, AQueueThatIsNotReadyIsLeftAlone) {
  Covers({"virtio 4.2.2.1 not-ready"});
  Start();
  StartDriver();
  // A queue whose place is known and which is not ready.
  Virtqueue third(qtest(), *heap, 16);
  Write(kQueueSelect, 2);
  Write(kQueueSize, 16);
  for (const auto& [offset, at] : {std::pair{kQueueDescriptors, third.descriptors()},
                                   {kQueueDriver, third.available()},
                                   {kQueueDevice, third.used()}}) {
    Write(offset, static_cast<uint32_t>(at));
    Write(offset + 4, static_cast<uint32_t>(at >> 32));
  }
  const Request early = Add(third);
  device->Notify(2);
  ExpectNothing(third, early);

  // One that was ready.
  ExpectServed(0);
  WaitInterrupt(1);
  Write(kInterruptAck, 1);
  Write(kQueueSelect, 0);
  Write(kQueueReady, 0);
  EXPECT_EQ(Read(kQueueReady), 0u);
  const Request late = Add(queues[0]);
  device->Notify(0);
  ExpectNothing(queues[0], late);
  EXPECT_EQ(Read(kInterruptStatus), 0u);
  ExpectServed(1);
  Write(kQueueSelect, 2);
  Write(kQueueReady, 1);
  device->Notify(2);
  EXPECT_EQ(third.Wait(Deadline(kWait)).written, kIdBytes + 1) << "now it is";
  EXPECT_TRUE(Answered(early));
}

}  // namespace
}  // namespace stx
