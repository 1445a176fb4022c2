// SPDX-License-Identifier: GPL-2.0-or-later
// A virtio-blk (virtio 1.2, section 5.2) whose requests the test makes byte by byte.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/pattern.h"
#include "harness/qemu/machine_test.h"
#include "harness/virtio/virtio_pci.h"

namespace stx {

class Blk : public MachineTest {
 protected:
  static constexpr uint32_t kIn = 0, kOut = 1, kScsi = 2, kFlush = 4, kGetId = 8, kDiscard = 11,
                            kWriteZeroes = 13;
  static constexpr uint8_t kOk = 0, kIoError = 1, kUnsupported = 2;
  static constexpr int kSegMax = 2, kGeometry = 4, kReadOnly = 5, kBlockSize = 6, kFlushFeature = 9,
                       kTopology = 10, kConfigWce = 11, kMultiqueue = 12, kDiscardFeature = 13,
                       kWriteZeroesFeature = 14;
  static constexpr size_t kSector = 512, kSectors = 2048;
  static constexpr uint32_t kWriteback = 32;  // offset in the configuration
  static constexpr Milliseconds kWait{10000};
  template <typename T>
  static std::string Bytes(T value) {
    return {reinterpret_cast<const char*>(&value), sizeof(value)};
  }
  /// A segment of discard and write zeroes (5.2.6).
  static std::string Segment(uint64_t sector, uint32_t sectors, uint32_t flags) {
    return Bytes(sector) + Bytes(sectors) + Bytes(flags);
  }

  /// `device` and `node` are added to the properties of each.
  void Start(const std::string& device_options = "", const std::string& node_options = "") {
    disk = MakePattern(kSectors * kSector, 1);
    WriteFile(dir / "disk", disk);
    StartMachine(
        {"-blockdev",
         "driver=file,node-name=d,aio=threads,filename=" + (dir / "disk").string() + node_options,
         "-device", "virtio-blk-pci,id=blk,drive=d,disable-legacy=on,addr=5" + device_options});
    device.emplace(*bus, bus->At(5));
  }
  /// A driver that accepts `features` and takes `count` queues into use.
  void StartDriver(uint64_t features = virtio::Bit(kFlushFeature), uint16_t count = 1) {
    agreed = device->Negotiate(features);
    queues.clear();
    for (uint16_t i = 0; i < count; ++i) queues.push_back(device->SetUpQueue(i, *heap));
    device->SetDriverOk();
  }

  struct Request {
    uint64_t header, data, status;
    uint32_t in;
    uint16_t head, queue;
  };
  /// Makes a request available: `out` goes to the device, `in` bytes come from it.
  Request Post(uint32_t type, uint64_t sector, const std::string& out, uint32_t in = 0,
               uint16_t queue = 0) {
    Request request{
        heap->Allocate(16), heap->Allocate(out.size() + in + 1), heap->Allocate(1), in, 0, queue};
    const std::string header = Bytes(type) + Bytes(uint32_t{0}) + Bytes(sector);
    qtest().MemWrite(request.header, header.data(), header.size());
    std::vector<VirtqueueBuffer> chain{{request.header, 16, false}};
    if (!out.empty()) {
      qtest().MemWrite(request.data, out.data(), out.size());
      chain.push_back({request.data, static_cast<uint32_t>(out.size()), false});
    }
    if (in) {
      qtest().MemSet(request.data, in, 0xaa);
      chain.push_back({request.data, in, true});
    }
    qtest().WriteB(request.status, 0xee);
    chain.push_back({request.status, 1, true});
    request.head = queues[queue].Add(chain);
    return request;
  }
  struct Answer {
    uint8_t status;
    uint32_t written;
    std::string data;
  };
  Answer Read(const Request& request, uint32_t written) {
    const auto bytes = qtest().MemRead(request.data, request.in);
    return {qtest().ReadB(request.status), written, {bytes.begin(), bytes.end()}};
  }
  Answer Do(uint32_t type, uint64_t sector, const std::string& out, uint32_t in = 0,
            uint16_t queue = 0) {
    const Request request = Post(type, sector, out, in, queue);
    device->Notify(queue);
    const DriverQueue::Used used = queues[queue].Wait(Deadline(kWait));
    EXPECT_EQ(used.head, request.head);
    return Read(request, used.written);
  }
  uint8_t StatusOf(uint32_t type, uint64_t sector, const std::string& out, uint32_t in = 0) {
    return Do(type, sector, out, in).status;
  }
  void ExpectFile(const std::string& bytes) { EXPECT_TRUE(ReadFile(dir / "disk") == bytes); }
  bool Offers(int feature) { return device->OfferedFeatures() & virtio::Bit(feature); }

  std::string disk;
  std::optional<VirtioPciDevice> device;
  uint64_t agreed = 0;
  std::vector<Virtqueue> queues;
};

}  // namespace stx
