// SPDX-License-Identifier: GPL-2.0-or-later
// throttled-disk-iothread.patch: a throttled disk in an iothread moves to the main loop and back
// when the VM stops and continues, also while a backup of it runs.

#include <gtest/gtest.h>

#include <thread>

#include "harness/qemu/machine_test.h"
#include "harness/virtio/virtio_pci.h"

namespace stx {
namespace {

constexpr Milliseconds kTimeout{30000};
constexpr size_t kDisk = 8 << 20;

class ThrottledDisk : public MachineTest {
 protected:
  void Start(const std::string& limit) {
    std::string content(kDisk, '\0');
    for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i / 512);
    WriteFile(dir / "disk", content);
    WriteFile(dir / "target", std::string(kDisk, '\0'));
    StartMachine({"-object", "iothread,id=io", "-drive",
                  "if=none,id=d,format=raw,file=" + (dir / "disk").string() + limit, "-device",
                  "virtio-blk-pci,drive=d,iothread=io,num-queues=1,addr=5,romfile=", "-blockdev",
                  "driver=file,node-name=t,filename=" + (dir / "target").string()});
    device.emplace(*bus, bus->At(5));
    device->Negotiate(0);
    queue = device->SetUpQueue(0, *heap);
    device->SetDriverOk();
    for (Request& request : requests)
      request = {heap->Allocate(16), heap->Allocate(512), heap->Allocate(1)};
  }
  /// Starts reads of the first sectors and leaves them in flight.
  void BeginReads() {
    for (size_t i = 0; i < requests.size(); ++i) {
      qtest().MemSet(requests[i].header, 16, 0);
      qtest().WriteQ(requests[i].header + 8, i);
      qtest().WriteB(requests[i].status, 0xff);
      queue->Add({{requests[i].header, 16, false},
                  {requests[i].data, 512, true},
                  {requests[i].status, 1, true}});
    }
    device->Notify(0);
  }
  void ExpectReads() {
    for (size_t i = 0; i < requests.size(); ++i) queue->Wait(Deadline(kTimeout));
    for (size_t i = 0; i < requests.size(); ++i) {
      EXPECT_EQ(qtest().ReadB(requests[i].status), 0);
      EXPECT_EQ(qtest().MemRead(requests[i].data, 512),
                std::vector<uint8_t>(512, static_cast<uint8_t>(i)));
    }
  }

  struct Request {
    uint64_t header, data, status;
  };
  std::optional<VirtioPciDevice> device;
  std::optional<Virtqueue> queue;
  std::array<Request, 16> requests;
};

TEST_F(ThrottledDisk, StopsAndGoesOnWhileItIsBackedUp) {
  Start(",throttling.bps-total=100000000");
  qmp().Execute(
      "blockdev-backup",
      {{"job-id", "b"}, {"device", "d"}, {"target", "t"}, {"sync", "full"}, {"speed", 1 << 20}});
  for (int round = 0; round < 20; ++round) {
    BeginReads();
    qmp().Execute("stop");
    EXPECT_EQ(qmp().Execute("query-status")["status"], "paused");
    qmp().Execute("cont");
    ExpectReads();
  }
  qmp().Execute("block-job-set-speed", {{"device", "b"}, {"speed", 0}});
  const json end = qmp().WaitEvent("BLOCK_JOB_COMPLETED");
  EXPECT_FALSE(end["data"].contains("error")) << end;
  EXPECT_TRUE(ReadFile(dir / "target") == ReadFile(dir / "disk"));
  ExpectAlive();
}

}  // namespace
}  // namespace stx
