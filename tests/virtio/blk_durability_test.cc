// SPDX-License-Identifier: GPL-2.0-or-later
// What is on the medium when virtio-blk completes a write or a flush (virtio 1.2, section 5.2.6.2).

#include <thread>

#include "base/waiting.h"
#include "harness/host/slow_fsync.h"
#include "harness/qemu/contract.h"
#include "virtio/blk_fixture.h"

namespace stx {
namespace {

class BlkSync : public Blk {
 protected:
  void SetUp() override { environment = fsync.Environment(); }
  /// The request is not done before the host's medium has it.
  void ExpectStableWhenDone(uint32_t type, const std::string& out) {
    const size_t before = fsync.Begun();
    fsync.Hold();
    const Request request = Post(type, 0, out);
    device->Notify(0);
    fsync.WaitBegun(before + 1);
    EXPECT_FALSE(HoldsBefore(Deadline(Milliseconds(30)), [&] { return bool(queues[0].Take()); }))
        << "done while the host's disk is not";
    fsync.Release();
    queues[0].Wait(Deadline(kWait));
    EXPECT_EQ(qtest().ReadB(request.status), kOk);
    EXPECT_EQ(fsync.Ended(), before + 1);
  }

  SlowFsync fsync;
};

TEST_F(BlkSync, AFlushIsDoneWhenTheMediumHasIt) {
  Covers({"virtio 5.2.6.2 stable"});
  Start();
  StartDriver();
  EXPECT_EQ(StatusOf(kOut, 0, std::string(kSector, 'x')), kOk);
  EXPECT_EQ(fsync.Begun(), 0u) << "a write alone goes to the cache";
  ExpectStableWhenDone(kFlush, "");
}

TEST_F(BlkSync, WithoutAWriteCacheAWriteIsDoneWhenTheMediumHasIt) {
  Covers({"virtio 5.2.6.2 stable"});
  const std::string one(kSector, 'x');
  for (const char* options : {"", ",config-wce=off", ",write-cache=off,config-wce=off"}) {
    SCOPED_TRACE(options);
    Start(options);
    StartDriver(0);  // no FLUSH
    ExpectStableWhenDone(kOut, one);
    EXPECT_EQ(StatusOf(kOut, 1, one), kOk);
    EXPECT_EQ(fsync.Begun(), fsync.Ended());
  }
}

TEST_F(BlkSync, TheDriverSwitchesTheWriteCache) {
  Covers({"virtio 5.2.6.2 stable"});
  Start();
  StartDriver(virtio::Bit(kFlushFeature) | virtio::Bit(kConfigWce));
  EXPECT_EQ(device->ConfigB(kWriteback), 1);
  qtest().WriteB(device->device_config() + kWriteback, 0);
  EXPECT_EQ(device->ConfigB(kWriteback), 0);
  ExpectStableWhenDone(kOut, std::string(kSector, 'x'));
  qtest().WriteB(device->device_config() + kWriteback, 1);
  EXPECT_EQ(device->ConfigB(kWriteback), 1);
  const size_t before = fsync.Begun();
  EXPECT_EQ(StatusOf(kOut, 0, std::string(kSector, 'y')), kOk);
  EXPECT_EQ(fsync.Begun(), before);
  qtest().WriteB(device->device_config() + kWriteback, 0);
  device->Reset();
  EXPECT_EQ(device->ConfigB(kWriteback), 1) << "a reset brings back what it was";
}

// The host cannot take back what its disk does, so the reset waits for it, or nobody is told.
TEST_F(BlkSync, AResetEndsTheRequestsThatRun) {
  Covers({"virtio 2.4.1 quiet"});
  Start();
  StartDriver();
  EXPECT_EQ(StatusOf(kOut, 0, std::string(kSector, 'x')), kOk);
  const size_t before = fsync.Begun();
  fsync.Hold();
  const Request flush = Post(kFlush, 0, "");
  device->Notify(0);
  fsync.WaitBegun(before + 1);
  // Nothing can be seen while a reset waits, so this is a delay.
  std::thread opener([&] {
    std::this_thread::sleep_for(Milliseconds(300));
    fsync.Release();
  });
  device->Reset();
  // From now on the memory is the driver's.
  const auto ring = qtest().MemRead(queues[0].used(), 8 * queues[0].size() + 6);
  qtest().WriteB(flush.status, 0x77);
  device->Isr();
  opener.join();
  WaitUntil("the host's disk is done", Deadline(kWait), [&] { return fsync.Ended() > before; });
  qmp().Execute("query-status");
  EXPECT_FALSE(HoldsBefore(Deadline(Milliseconds(30)), [&] {
    return qtest().ReadB(flush.status) != 0x77 ||
           qtest().MemRead(queues[0].used(), 8 * queues[0].size() + 6) != ring;
  }));
  EXPECT_EQ(device->Isr(), 0);
  StartDriver();
  EXPECT_EQ(StatusOf(kFlush, 0, ""), kOk);
  EXPECT_EQ(Do(kIn, 0, "", kSector).data, std::string(kSector, 'x'));
}

TEST_F(BlkSync, AnErrorOfTheMediumIsToldToTheDriver) {
  Start(",werror=report");
  StartDriver();
  EXPECT_EQ(StatusOf(kOut, 0, disk.substr(0, kSector)), kOk);
  fsync.Fail();
  EXPECT_EQ(StatusOf(kFlush, 0, ""), kIoError);
  EXPECT_EQ(Do(kIn, 3, "", kSector).data, disk.substr(3 * kSector, kSector)) << "it goes on";
}

// werror=stop: the machine stops, and the request is made again when it goes on.
TEST_F(BlkSync, ARequestThatStoppedTheMachineIsMadeAgain) {
  Start(",werror=stop", ",cache.direct=on");
  StartDriver();
  EXPECT_EQ(StatusOf(kOut, 0, disk.substr(0, kSector)), kOk);
  fsync.Fail();
  const Request flush = Post(kFlush, 0, "");
  device->Notify(0);
  const json event = qmp().WaitEvent("BLOCK_IO_ERROR");
  EXPECT_EQ(event["data"]["action"], "stop");
  EXPECT_EQ(event["data"]["operation"], "write");
  qmp().WaitEvent("STOP");
  EXPECT_EQ(qmp().Execute("query-status")["status"], "io-error");
  EXPECT_FALSE(queues[0].Take());
  fsync.Succeed();
  qmp().Execute("cont");
  queues[0].Wait(Deadline(kWait));
  EXPECT_EQ(qtest().ReadB(flush.status), kOk);
  EXPECT_FALSE(queues[0].Take()) << "it is done once";
}

}  // namespace
}  // namespace stx
