// SPDX-License-Identifier: GPL-2.0-or-later
// The control and event queues of virtio-scsi (virtio 1.2, sections 5.6.6.2 and 5.6.6.3): task
// management, and what the device tells of its units.

#include "base/waiting.h"
#include "harness/host/slow_fsync.h"
#include "harness/qemu/contract.h"
#include "virtio/virtio_scsi_fixture.h"

namespace stx {
namespace {

TEST_F(VirtioScsi, TaskManagementAnswers) {
  Start({{"scsi-id=0,lun=0"}, {"scsi-id=0,lun=300"}, {"scsi-id=4,lun=0"}});
  StartDriver();
  for (const std::string& lun : {Simple(0, 0), Flat(0, 300), Simple(4, 0)}) TakeAttention(lun);
  for (uint32_t task : {kAbortTask, kAbortTaskSet, kClearTaskSet, kQueryTask, kQueryTaskSet}) {
    EXPECT_EQ(Manage(task, Simple(0, 0), 77), kOk) << task << ": no such command";
    EXPECT_EQ(Manage(task, Flat(0, 2)), kIncorrectLun) << task;
    EXPECT_EQ(Manage(task, Flat(9, 0)), kBadTarget) << task;
  }
  EXPECT_EQ(Manage(kUnitReset, Flat(0, 2)), kIncorrectLun);
  EXPECT_EQ(Manage(kUnitReset, Flat(9, 0)), kBadTarget);
  EXPECT_EQ(Manage(kClearAca, Simple(0, 0)), kFunctionRejected);
  EXPECT_EQ(Manage(8, Simple(0, 0)), kFunctionRejected) << "no such function";

  EXPECT_EQ(Manage(kUnitReset, Flat(0, 300)), kOk);
  TakeAttention(Flat(0, 300));
  EXPECT_EQ(Do(Simple(0, 0), std::string(6, '\0')).status, 0) << "another unit was reset";
  EXPECT_EQ(Manage(kNexusReset, Simple(0, 0)), kOk);
  TakeAttention(Simple(0, 0));
  TakeAttention(Flat(0, 300));
  EXPECT_EQ(Do(Simple(4, 0), std::string(6, '\0')).status, 0) << "another target was reset";
}

TEST_F(VirtioScsi, AsynchronousNotificationsAreNone) {
  Start({{"scsi-id=0,lun=0"}});
  StartDriver();
  for (uint32_t type : {1u, 2u}) {  // query, subscribe
    const std::string response = Control(Long(type) + Simple(0, 0) + Long(0x7e), 5);
    EXPECT_EQ(response, std::string(5, '\0')) << "no event, and it was understood";
  }
}

TEST_F(VirtioScsi, ACommandThatRunsIsFoundAndAborted) {
  SlowFsync fsync;
  environment = fsync.Environment();
  Start({{"scsi-id=0,lun=0"}, {"scsi-id=0,lun=1"}});
  const std::string sync = Cdb({0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  const struct {
    uint32_t task;
    Response response;
  } ways[] = {{kAbortTask, kAborted},
              {kAbortTaskSet, kAborted},
              {kClearTaskSet, kAborted},
              {kUnitReset, kReset},
              {kNexusReset, kReset}};
  for (const auto& way : ways) {
    SCOPED_TRACE(way.task);
    StartDriver();
    TakeAttention(Simple(0, 0));
    EXPECT_EQ(Do(Simple(0, 0), Write10(0, 1), std::string(kSector, 'x')).status, 0);
    const size_t before = fsync.Begun();
    fsync.Hold();
    const Posted posted = Post(Simple(0, 0), sync, "", 0, kRequests, 0x1234567890);
    device->Notify(kRequests);
    fsync.WaitBegun(before + 1);
    EXPECT_EQ(Manage(kQueryTask, Simple(0, 0), 0x1234567890), kFunctionSucceeded);
    EXPECT_EQ(Manage(kQueryTask, Simple(0, 0), 0x1234567891), kOk) << "another tag";
    EXPECT_EQ(Manage(kQueryTask, Simple(0, 1), 0x1234567890), kOk) << "of another unit";
    EXPECT_EQ(Manage(kQueryTaskSet, Simple(0, 0)), kFunctionSucceeded);
    EXPECT_EQ(Manage(kQueryTaskSet, Simple(0, 1)), kOk);
    EXPECT_EQ(Manage(kAbortTask, Simple(0, 0), 0x1234567891), kOk) << "another tag";
    EXPECT_FALSE(queues[kRequests].Take());
    // What the host's disk does cannot be taken back: the function waits for it.
    const std::string request =
        Long(0) + Long(way.task) + Simple(0, 0) + std::string("\x90\x78\x56\x34\x12\0\0\0", 8);
    const uint64_t out = heap->Allocate(24), in = heap->Allocate(1);
    qtest().MemWrite(out, request.data(), request.size());
    qtest().WriteB(in, 0xee);
    queues[kControl].Add({{out, 24, false}, {in, 1, true}});
    if (way.task == kUnitReset || way.task == kNexusReset) fsync.Release();
    device->Notify(kControl);
    fsync.Release();
    queues[kControl].Wait(Deadline(kWait));
    EXPECT_EQ(qtest().ReadB(in), kOk);
    const Answer answer = Finish(posted);
    if (way.response == kAborted) {
      EXPECT_EQ(answer.response, kAborted);
    } else {
      EXPECT_TRUE(answer.response == kReset || answer.response == kOk);
    }
    EXPECT_EQ(answer.sense_length, 0u);
    device->Reset();
  }
}

TEST_F(VirtioScsi, PluggingIsAnEvent) {
  Covers({"virtio 5.6.6.3.2 hotplug-negotiated"});
  Start({{"scsi-id=0,lun=0"}});
  StartDriver(virtio::Bit(kHotplug));
  TakeAttention(Simple(0, 0));
  OfferEvent();
  Plug("a", 3, 7);
  EXPECT_EQ(WaitEvent(), (Event{1, Simple(3, 7), 1})) << "TRANSPORT_RESET, RESCAN";
  EXPECT_EQ(Do(Simple(0, 0), std::string(6, '\0')).Sense(), 0x063f0eu)
      << "reported LUNs data has changed";
  OfferEvent();
  Plug("b", 200, 300);
  EXPECT_EQ(WaitEvent(), (Event{1, Flat(200, 300), 1}));
  OfferEvent();
  qmp().Execute("device_del", {{"id", "a"}});
  EXPECT_EQ(WaitEvent(), (Event{1, Simple(3, 7), 2})) << "TRANSPORT_RESET, REMOVED";
  EXPECT_EQ(Do(Simple(3, 7), std::string(6, '\0')).response, kBadTarget);
}

TEST_F(VirtioScsi, AnEventThatFoundNoBufferIsToldOfLater) {
  Covers({"virtio 5.6.6.3.2 missed"});
  Start({});
  StartDriver(virtio::Bit(kHotplug));
  Plug("a", 3, 7);
  OfferEvent();
  EXPECT_EQ(WaitEvent(), (Event{0x80000000, std::string(8, '\0'), 0})) << "NO_EVENT, missed";
  Plug("b", 4, 0);
  Plug("c", 4, 1);
  device->Reset();
  StartDriver(virtio::Bit(kHotplug));
  OfferEvent();
  EXPECT_FALSE(HoldsBefore(Deadline(Milliseconds(30)), [&] { return bool(queues[1].Take()); }))
      << "of another driver";
  Plug("d", 4, 2);
  EXPECT_EQ(WaitEvent(), (Event{1, Simple(4, 2), 1}));
}

TEST_F(VirtioScsi, AChangedCapacityIsAnEventAndAUnitAttention) {
  Start({{"scsi-id=5,lun=300"}});
  StartDriver(virtio::Bit(kChange));
  TakeAttention(Flat(5, 300));
  OfferEvent();
  qmp().Execute("block_resize", {{"node-name", "d0"}, {"size", 2 * kSectors * kSector}});
  EXPECT_EQ(WaitEvent(), (Event{3, Flat(5, 300), 0x092a})) << "PARAM_CHANGE; ASC, ASCQ";
  EXPECT_EQ(Do(Flat(5, 300), std::string(6, '\0')).Sense(), 0x062a09u)
      << "capacity data has changed";
  EXPECT_EQ(FromBigEndian(Data(Flat(5, 300), Cdb({0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0}), 8), 0, 4),
            2 * kSectors - 1);
}

TEST_F(VirtioScsi, AChangeOfADiscIsNoEvent) {
  Covers({"virtio 5.6.6.3.2 no-mmc"});
  Start({{"scsi-id=5,lun=0"}});
  WriteFile(dir / "disc", std::string(1 << 20, 'c'));
  qmp().Execute("blockdev-add",
                {{"driver", "file"}, {"node-name", "disc"}, {"filename", (dir / "disc").string()}});
  qmp().Execute("device_add", {{"driver", "scsi-cd"},
                               {"id", "cd"},
                               {"bus", "s.0"},
                               {"drive", "disc"},
                               {"scsi-id", 6},
                               {"lun", 0}});
  StartDriver(virtio::Bit(kChange));
  TakeAttention(Simple(6, 0));
  OfferEvent();
  qmp().Execute("blockdev-open-tray", {{"id", "cd"}});
  qmp().Execute("blockdev-close-tray", {{"id", "cd"}});
  // The drive itself reports it, and a disk's change is the first event.
  EXPECT_NE(Do(Simple(6, 0), std::string(6, '\0')).Sense(), 0u);
  qmp().Execute("block_resize", {{"node-name", "d0"}, {"size", 2 * kSectors * kSector}});
  EXPECT_EQ(WaitEvent(), (Event{3, Simple(5, 0), 0x092a}));
}

TEST_F(VirtioScsi, ADriverThatDidNotAskGetsNoEvents) {
  Covers({"virtio 5.6.6.3.2 hotplug-negotiated"});
  Start({{"scsi-id=0,lun=0"}});
  StartDriver(0);
  OfferEvent();
  Plug("a", 3, 7);
  qmp().Execute("block_resize", {{"node-name", "d0"}, {"size", 2 * kSectors * kSector}});
  qmp().Execute("device_del", {{"id", "a"}});
  qmp().WaitEvent("DEVICE_DELETED");
  EXPECT_FALSE(queues[kEvents].Take());
}

}  // namespace
}  // namespace stx
