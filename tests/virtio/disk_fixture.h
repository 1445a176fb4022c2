// SPDX-License-Identifier: GPL-2.0-or-later
// A virtio-blk-pci in slot 5 whose requests for its serial number the test makes: the smallest
// request that brings bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/waiting.h"
#include "harness/qemu/contract.h"
#include "harness/qemu/machine_test.h"
#include "harness/qemu/msix.h"
#include "harness/virtio/virtio_pci.h"

namespace stx {

class DiskTest : public MachineTest {
 protected:
  static constexpr Milliseconds kWait{10000};
  static constexpr uint32_t kIdBytes = 20;

  void Start(const std::string& options = "") {
    WriteFile(dir / "disk", std::string(1 << 20, '\0'));
    StartMachine(
        {"-blockdev", "driver=file,node-name=d,filename=" + (dir / "disk").string(), "-device",
         "virtio-blk-pci,id=blk,drive=d,serial=serial-1,disable-legacy=on,addr=5" + options});
    device.emplace(*bus, bus->At(5));
  }
  void StartDriver(uint64_t features = 0, uint16_t size = 16) {
    ASSERT_EQ(device->Negotiate(features) & features, features) << "not offered";
    queue.emplace(device->SetUpQueue(0, *heap, size));
    device->SetDriverOk();
  }

  struct Request {
    uint64_t header, id, status;
  };
  Request Make() {
    Request request{heap->Allocate(16), heap->Allocate(kIdBytes), heap->Allocate(1)};
    qtest().WriteL(request.header, 8);  // GET_ID
    qtest().WriteL(request.header + 4, 0);
    qtest().WriteQ(request.header + 8, 0);
    Clear(request);
    return request;
  }
  void Clear(const Request& request) {
    qtest().MemSet(request.id, kIdBytes, 0xee);
    qtest().WriteB(request.status, 0xee);
  }
  void Add(DriverQueue& to, const Request& request) {
    to.Add({{request.header, 16, false}, {request.id, kIdBytes, true}, {request.status, 1, true}});
  }
  bool Answered(const Request& request) {
    const auto id = qtest().MemRead(request.id, 9);
    return qtest().ReadB(request.status) == 0 &&
           std::string(id.begin(), id.end()) == std::string("serial-1\0", 9);
  }
  /// A request that is made, notified and answered.
  void ExpectServed() {
    const Request request = Make();
    Add(*queue, request);
    device->Notify(0);
    EXPECT_EQ(queue->Wait(Deadline(kWait)).written, kIdBytes + 1);
    EXPECT_TRUE(Answered(request));
  }
  /// Nothing is used, whatever was made available.
  void ExpectNothing(DriverQueue& on) {
    EXPECT_FALSE(HoldsBefore(Deadline(Milliseconds(20)), [&] { return bool(on.Take()); }));
  }

  std::optional<VirtioPciDevice> device;
  std::optional<Virtqueue> queue;
};

}  // namespace stx
