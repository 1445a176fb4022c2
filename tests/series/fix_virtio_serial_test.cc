// SPDX-License-Identifier: GPL-2.0-or-later
// virtio-serial-control-queue.patch, virtio-serial-ring-not-ready.patch, guest-error-lines.patch:
// how much a guest's control messages may cost, queues that it has only partly set up, and what
// wrong messages leave in the host's log.

#include "harness/host/memory_map.h"
#include "harness/qemu/machine_test.h"
#include "harness/virtio/virtio_pci.h"

namespace stx {
namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr Milliseconds kWait{20000};
// virtio 1.2, sections 5.3.2 (queues) and 5.3.6.2 (control messages).
constexpr uint16_t kTransmit = 1, kControlReceive = 2, kControlTransmit = 3;
constexpr uint64_t kMultiport = 1 << 1;
constexpr uint16_t kDeviceReady = 0, kPortAdd = 1;
constexpr uint32_t kHeader = 8;

class SerialDriver : public MachineTest {
 protected:
  /// The console of a pod, a port that the host always considers connected.
  void StartConsole() {
    StartMachine({"-device", "virtio-serial-pci,addr=5", "-chardev", "null,id=c", "-device",
                  "virtconsole,chardev=c"});
    device.emplace(*bus, bus->At(5));
    device->Negotiate(kMultiport);
  }
  std::optional<VirtioPciDevice> device;
};

class SerialControl : public SerialDriver {
 protected:
  void StartDriver() {
    StartConsole();
    receive.emplace(device->SetUpQueue(kControlReceive, *heap));
    transmit.emplace(device->SetUpQueue(kControlTransmit, *heap));
    device->SetDriverOk();
    answer = heap->Allocate(64);
    receive->Add({{answer, 64, true}});
    device->Notify(kControlReceive);
  }
  /// DEVICE_READY 1 for the whole device.
  void WriteReady(uint64_t at) {
    qtest().WriteL(at, 0);
    qtest().WriteW(at + 4, kDeviceReady);
    qtest().WriteW(at + 6, 1);
  }
  void ExpectPortAdded() {
    EXPECT_EQ(receive->Wait(Deadline(kWait)).written, kHeader);
    EXPECT_EQ(qtest().ReadL(answer), 0u);
    EXPECT_EQ(qtest().ReadW(answer + 4), kPortAdd);
  }

  std::optional<Virtqueue> receive, transmit;
  uint64_t answer = 0;
};

// Eight descriptors that name the same 128 MiB: a message of one gigabyte.
TEST_F(SerialControl, AMessageOfAnyLengthCostsNoMemoryAndItsHeaderIsObeyed) {
  StartDriver();
  constexpr uint32_t kSize = 128 * kMiB;
  const uint64_t message = heap->Allocate(kSize);
  WriteReady(message);
  const pid_t pid = qemu->process().pid();
  const uint64_t before = ReadStatusSize(pid, "VmHWM");
  transmit->Add(std::vector<VirtqueueBuffer>(8, {message, kSize, false}));
  device->Notify(kControlTransmit);
  EXPECT_EQ(transmit->Wait(Deadline(kWait)).written, 0u);
  EXPECT_LT(ReadStatusSize(pid, "VmHWM"), before + 64 * kMiB);
  ExpectPortAdded();
}

TEST_F(SerialControl, AHeaderInPiecesIsObeyedAndAShorterOneIgnored) {
  StartDriver();
  const uint64_t message = heap->Allocate(kHeader);
  WriteReady(message);
  transmit->Add({{message, 5, false}});
  transmit->Add({{message, 3, false}, {message + 3, 4, false}});
  device->Notify(kControlTransmit);
  transmit->Wait(Deadline(kWait));
  transmit->Wait(Deadline(kWait));
  EXPECT_FALSE(receive->Take());
  transmit->Add({{message, 3, false}, {message + 3, 4, false}, {message + 7, 1, false}});
  device->Notify(kControlTransmit);
  transmit->Wait(Deadline(kWait));
  ExpectPortAdded();
}

class SerialLines : public SerialControl {};

TEST_F(SerialLines, OfWrongMessagesAreOneOfAKind) {
  StartDriver();
  constexpr uint16_t kPortReady = 3;
  const uint64_t message = heap->Allocate(kHeader);
  const auto send = [&](uint32_t port, uint16_t event) {
    qtest().WriteL(message, port);
    qtest().WriteW(message + 4, event);
    qtest().WriteW(message + 6, 0);
    transmit->Add({{message, kHeader, false}});
    device->Notify(kControlTransmit);
    transmit->Wait(Deadline(kWait));
  };
  for (uint32_t i = 0; i < 50; ++i) {
    send(0, kDeviceReady);
    send(1000 + i, kPortReady);
    send(0, kPortReady);
  }
  const std::string log = qemu->process().Stderr();
  for (const char* line : {"Guest failure in adding device", "Unexpected port id 1000",
                           "Guest failure in adding port 0"}) {
    const size_t first = log.find(line);
    EXPECT_NE(first, std::string::npos) << line;
    EXPECT_EQ(log.find(line, first + 1), std::string::npos) << line;
  }
  EXPECT_EQ(log.find("Unexpected port id 1001"), std::string::npos);
  // And a right one is obeyed.
  WriteReady(message);
  transmit->Add({{message, kHeader, false}});
  device->Notify(kControlTransmit);
  ExpectPortAdded();
}

class SerialRing : public SerialDriver {};

TEST_F(SerialRing, AConsoleQueueWithoutAnAvailableRingMayBeNotified) {
  StartConsole();
  const uint64_t memory = heap->Allocate(3 * 4096, 4096);
  device->PlaceQueue(kTransmit, {16, memory, 0, memory + 8192});
  device->SetDriverOk();
  device->Notify(kTransmit);
  ExpectAlive();
  // The next driver finds a console that accepts its output.
  device->Negotiate(kMultiport);
  Virtqueue queue = device->SetUpQueue(kTransmit, *heap);
  device->SetDriverOk();
  queue.Add({{memory, 16, false}});
  device->Notify(kTransmit);
  EXPECT_EQ(queue.Wait(Deadline(kWait)).written, 0u);
}

}  // namespace
}  // namespace stx
