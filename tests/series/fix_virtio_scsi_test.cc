// SPDX-License-Identifier: GPL-2.0-or-later
// virtio-scsi-refused-requests.patch (CVE-2026-61476): a disk whose driver misbehaved can still be
// unplugged. virtio-scsi-cdb-size.patch (CVE-2026-5763): a driver changes cdb_size while an
// iothread takes its requests.

#include <algorithm>

#include "harness/qemu/machine_test.h"
#include "harness/virtio/virtio_pci.h"

namespace stx {
namespace {

constexpr Milliseconds kWait{20000};
// virtio 1.2, sections 5.6.2 (queues), 5.6.4 (configuration), 5.6.6.1 (requests).
constexpr uint16_t kRequestQueue = 2;
constexpr uint32_t kRequestHeader = 19, kSenseSize = 96, kResponse = 12 + kSenseSize;
constexpr uint64_t kConfigCdbSize = 24;
constexpr uint8_t kLun[8] = {1, 0, 0x40, 0, 0, 0, 0, 0};

class ScsiController : public MachineTest {
 protected:
  void StartDisk(const std::string& controller, const std::string& content) {
    WriteFile(dir / "disk", content);
    StartMachine({"-object", "iothread,id=io", "-device",
                  "virtio-scsi-pci,id=scsi,addr=5" + controller, "-blockdev",
                  "file,node-name=d,filename=" + (dir / "disk").string(), "-device",
                  "scsi-hd,id=disk,bus=scsi.0,scsi-id=0,lun=0,drive=d"});
    StartDriver();
  }
  void StartDriver() {
    device.emplace(*bus, bus->At(5));
    device->Negotiate(0);
    device->SetUpQueue(0, *heap);
    device->SetUpQueue(1, *heap);
    queue.emplace(device->SetUpQueue(kRequestQueue, *heap));
    device->SetDriverOk();
  }
  /// The header of a request in guest memory, of `size` bytes, with its CDB at the end of the fixed
  /// part.
  uint64_t Header(const std::vector<uint8_t>& cdb, size_t size) {
    const uint64_t at = heap->Allocate(size);
    qtest().MemSet(at, size, 0);
    qtest().MemWrite(at, kLun, sizeof kLun);
    qtest().MemWrite(at + kRequestHeader, cdb.data(), cdb.size());
    return at;
  }

  std::optional<VirtioPciDevice> device;
  std::optional<Virtqueue> queue;
};

class ScsiRefused : public ScsiController, public testing::WithParamInterface<const char*> {};

// Valid requests and an invalid one that the device finds together.
TEST_P(ScsiRefused, LeaveTheDiskFreeToGo) {
  StartDisk(GetParam(), std::string(1 << 20, 'd'));
  const std::vector<uint8_t> test_unit_ready(6, 0);
  for (int i = 0; i < 3; ++i)
    queue->Add({{Header(test_unit_ready, kRequestHeader + 32), kRequestHeader + 32, false},
                {heap->Allocate(kResponse), kResponse, true}});
  queue->Add({{heap->Allocate(4), 4, false}, {heap->Allocate(kResponse), kResponse, true}});
  device->Notify(kRequestQueue);
  for (Deadline deadline(kWait); !(device->Status() & virtio::kNeedsReset);)
    ASSERT_FALSE(deadline.Passed()) << "the device accepts a request of 4 bytes";

  qmp().Execute("device_del", {{"id", "disk"}});
  qmp().WaitEvent("DEVICE_DELETED", kWait,
                  [](const json& event) { return event["data"].value("device", "") == "disk"; });
  qmp().Execute("blockdev-del", {{"node-name", "d"}});
  // The next driver finds a controller that works, and no disk.
  StartDriver();
  const uint64_t response = heap->Allocate(kResponse);
  queue->Add({{Header(test_unit_ready, kRequestHeader + 32), kRequestHeader + 32, false},
              {response, kResponse, true}});
  device->Notify(kRequestQueue);
  queue->Wait(Deadline(kWait));
  EXPECT_EQ(qtest().ReadB(response + 11), 3u) << "VIRTIO_SCSI_S_BAD_TARGET";
}

INSTANTIATE_TEST_SUITE_P(Threads, ScsiRefused, testing::Values("", ",iothread=io"),
                         [](const auto& with) {
                           return std::string(with.param).empty() ? "MainLoop" : "IoThread";
                         });

class ScsiCdbSize : public ScsiController {};

// Each request has many descriptors, so that there is time to change cdb_size between the
// allocation of the request and the moment when the device copies it in. What follows the CDB in
// the header then overwrites the addresses of the request's data buffers, and a READ that succeeds
// has not filled them.
TEST_F(ScsiCdbSize, ThatChangesInBetweenChangesNoAddress) {
  constexpr uint32_t kBlock = 512, kBlocks = 480, kHeader = kRequestHeader + 255;
  std::string content(kBlocks * kBlock, '\0');
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i / kBlock * 7 + i);
  StartDisk(",iothread=io,virtqueue_size=1024", content);
  const uint64_t cdb_size = device->device_config() + kConfigCdbSize;
  const uint64_t header =
      Header({0x28 /* READ(10) */, 0, 0, 0, 0, 0, 0, kBlocks >> 8, kBlocks & 0xff, 0}, kHeader);
  qtest().MemSet(header + kRequestHeader + 10, kHeader - kRequestHeader - 10, 0x0a);
  const uint64_t response = heap->Allocate(kResponse);
  const uint64_t data = heap->Allocate(kBlocks * kBlock, 4096);
  std::vector<VirtqueueBuffer> chain{{header, kHeader, false}, {response, kResponse, true}};
  for (uint32_t i = 0; i < kBlocks; ++i) chain.push_back({data + i * kBlock, kBlock, true});

  int read = 0;
  for (int i = 0; i < 600 && !HasFailure(); ++i) {
    qtest().WriteL(cdb_size, 0);
    qtest().MemSet(data, kBlocks * kBlock, 0);
    queue->Add(chain);
    device->Notify(kRequestQueue);
    qtest().WriteL(cdb_size, 255);
    queue->Wait(Deadline(kWait));
    // With response OK and status GOOD, all of it must have been read.
    if (qtest().ReadB(response + 11) != 0 || qtest().ReadB(response + 10) != 0) continue;
    ++read;
    const auto bytes = ram.subspan(data, content.size());
    EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), content.begin(),
                           [](uint8_t a, char b) { return a == static_cast<uint8_t>(b); }))
        << "request " << i;
  }
  ExpectAlive();
  // A driver that does not change it is served.
  qtest().WriteL(cdb_size, 32);
  chain[0].length = kRequestHeader + 32;
  queue->Add(chain);
  device->Notify(kRequestQueue);
  queue->Wait(Deadline(kWait));
  EXPECT_EQ(qtest().ReadB(response + 10), 0);
  EXPECT_EQ(qtest().ReadB(response + 11), 0);
  RecordProperty("requests that read", read);
}

}  // namespace
}  // namespace stx
