// SPDX-License-Identifier: GPL-2.0-or-later
// What a driver of virtio-scsi may rely on (virtio 1.2, section 5.6): configuration, the addresses
// of units, and the responses of the request queues.

#include <algorithm>
#include <tuple>

#include "harness/qemu/contract.h"
#include "harness/qemu/migration.h"
#include "virtio/virtio_scsi_fixture.h"

namespace stx {
namespace {

TEST_F(VirtioScsi, TheConfigurationSaysWhatTheBusHas) {
  Covers({"virtio 5.6.4.2 sizes"});
  Start({}, ",num_queues=3,max_sectors=1000,cmd_per_lun=17,virtqueue_size=64");
  EXPECT_EQ(device->ConfigL(0), 3u) << "num_queues";
  EXPECT_EQ(device->ConfigL(4), 62u) << "seg_max: the queue's size, less request and response";
  EXPECT_EQ(device->ConfigL(8), 1000u) << "max_sectors";
  EXPECT_EQ(device->ConfigL(12), 17u) << "cmd_per_lun";
  EXPECT_EQ(device->ConfigL(16), 16u) << "event_info_size";
  EXPECT_EQ(device->ConfigL(20), 96u) << "sense_size";
  EXPECT_EQ(device->ConfigL(24), 32u) << "cdb_size";
  EXPECT_EQ(device->ConfigW(28), 0) << "max_channel";
  EXPECT_EQ(device->ConfigW(30), 255) << "max_target";
  EXPECT_EQ(device->ConfigL(32), 16383u) << "max_lun";
  EXPECT_EQ(device->QueueCount(), 5) << "control, events and three of requests";
  for (uint16_t i = 0; i < 5; ++i) EXPECT_EQ(device->QueueMaxSize(i), 64) << i;
  EXPECT_EQ(device->QueueMaxSize(5), 0);

  device->Negotiate(0);
  qtest().WriteL(device->device_config() + 20, 18);
  qtest().WriteL(device->device_config() + 24, 16);
  EXPECT_EQ(device->ConfigL(20), 18u);
  EXPECT_EQ(device->ConfigL(24), 16u);
  device->Reset();
  EXPECT_EQ(device->ConfigL(20), 96u);
  EXPECT_EQ(device->ConfigL(24), 32u);
}

TEST_F(VirtioScsi, FeaturesFollowFromTheOptions) {
  for (bool hotplug : {false, true})
    for (bool change : {false, true}) {
      Start({}, std::string(",hotplug=") + (hotplug ? "on" : "off") +
                    ",param_change=" + (change ? "on" : "off"));
      const uint64_t offered = device->OfferedFeatures();
      EXPECT_EQ(bool(offered & virtio::Bit(kHotplug)), hotplug);
      EXPECT_EQ(bool(offered & virtio::Bit(kChange)), change);
      EXPECT_FALSE(offered & virtio::Bit(0)) << "INOUT: data both ways";
      EXPECT_FALSE(offered & virtio::Bit(3)) << "T10_PI";
    }
}

// A driver that reads nothing, and writes one of the two sizes.
TEST_F(VirtioScsi, OneSizeIsWrittenWithoutTheOther) {
  Covers({"virtio 5.6.4.2 sizes"});
  constexpr uint32_t kSense = 20, kCdb = 24;
  for (const auto& [one, value, other, kept] :
       {std::tuple{kSense, 18u, kCdb, 32u}, {kCdb, 16u, kSense, 96u}}) {
    SCOPED_TRACE(one);
    Start({{"scsi-id=0,lun=0"}});
    for (const char* driver : {"the first", "the next"}) {
      SCOPED_TRACE(driver);
      device->Negotiate(0);
      qtest().WriteL(device->device_config() + one, value);
      EXPECT_EQ(device->ConfigL(other), kept);
      EXPECT_EQ(device->ConfigL(one), value);
      // Another value of the other one, for the next driver.
      qtest().WriteL(device->device_config() + other, 20);
      EXPECT_EQ(device->ConfigL(one), value);
      device->Reset();
    }
    device->Negotiate(0);
    qtest().WriteL(device->device_config() + kSense, 18);
    queues.clear();
    for (uint16_t i = 0; i < 3; ++i) queues.push_back(device->SetUpQueue(i, *heap));
    device->SetDriverOk();
    // READ (10), whose CDB must arrive whole; its unit attention first.
    for (uint8_t status : {2, 0}) {
      const Posted posted = Post(Simple(0, 0), Read10(3, 1), "", kSector, kRequests, 1, 18);
      device->Notify(kRequests);
      const Answer answer = Finish(posted);
      EXPECT_EQ(answer.response, kOk);
      EXPECT_EQ(answer.status, status);
      if (status == 0) {
        EXPECT_TRUE(answer.data == MakePattern(kSectors * kSector, 0).substr(3 * kSector, kSector));
      }
    }
  }
}

TEST_F(VirtioScsi, SizesThatTheDriverWroteHold) {
  Start({{"scsi-id=0,lun=0"}});
  StartDriverWithSenseSize(18);
  const Posted posted =
      Post(Simple(0, 0), std::string(6, '\0'), "", 0, kRequests, 1, /*sense_size=*/18);
  device->Notify(kRequests);
  const Answer answer = Finish(posted);
  EXPECT_EQ(answer.Sense(), 0x062900u);
  EXPECT_EQ(answer.sense_length, 18u);
  EXPECT_EQ(answer.written, 12u + 18);
  for (uint32_t offset : {20u, 24u}) {
    StartDriver();
    qtest().WriteL(device->device_config() + offset, offset == 20 ? 65536 : 256);
    EXPECT_TRUE(device->Status() & virtio::kNeedsReset) << "no such size";
    device->Reset();
    EXPECT_EQ(device->ConfigL(20), 96u);
  }
}

TEST_F(VirtioScsi, SizesThatTheDriverWroteMigrate) {
  Start({{"scsi-id=0,lun=0"}});
  StartDriverWithSenseSize(18);
  const auto do_it = [&](const std::string& cdb, uint32_t in) {
    const Posted posted = Post(Simple(0, 0), cdb, "", in, kRequests, 1, 18);
    device->Notify(kRequests);
    return Finish(posted);
  };
  EXPECT_EQ(do_it(std::string(6, '\0'), 0).Sense(), 0x062900u);
  const std::string stream = MigrateToBytes(*qemu);
  more = {"-incoming", "defer"};
  Start({{"scsi-id=0,lun=0"}});
  IncomingStream(*qemu).Finish(stream);
  EXPECT_EQ(WaitMigrationEnd(qmp())["status"], "completed");
  heap->Allocate(16 << 20);  // what the guest had is in use
  for (Virtqueue& queue : queues) queue.MoveTo(qtest());
  EXPECT_EQ(device->ConfigL(20), 18u);
  EXPECT_EQ(device->ConfigL(24), 32u);
  const Answer answer = do_it(Read10(2048, 1), kSector);
  EXPECT_EQ(answer.Sense(), 0x052100u) << "out of range";
  EXPECT_EQ(answer.sense_length, 18u);
  EXPECT_EQ(do_it(Read10(7, 1), kSector).data,
            MakePattern(kSectors * kSector, 0).substr(7 * kSector, kSector));
}

TEST_F(VirtioScsi, EveryUnitIsFoundUnderItsNumberInBothFormats) {
  Covers({"virtio 5.6.6.1.2 response"});
  const std::vector<uint16_t> luns{0, 1, 255, 256, 257, 512, 16383};
  std::vector<Unit> units;
  for (uint16_t lun : luns) units.push_back({"scsi-id=0,lun=" + std::to_string(lun)});
  units.push_back({"scsi-id=255,lun=256"});
  Start(units);
  StartDriver();
  const auto expect_unit = [&](const std::string& lun, size_t unit) {
    EXPECT_TRUE(Data(lun, Read10(3, 1), kSector) ==
                MakePattern(kSectors * kSector, unit).substr(3 * kSector, kSector))
        << "unit " << unit;
  };
  for (size_t i = 0; i < luns.size(); ++i) {
    SCOPED_TRACE(luns[i]);
    TakeAttention(Flat(0, luns[i]));
    expect_unit(Flat(0, luns[i]), i);
    if (luns[i] < 256) expect_unit(Simple(0, static_cast<uint8_t>(luns[i])), i);
  }
  TakeAttention(Flat(255, 256));
  expect_unit(Flat(255, 256), luns.size());
}

TEST_F(VirtioScsi, AnAddressWithoutAUnitIsSaid) {
  Covers({"virtio 5.6.6.1.2 response"});
  Start({{"scsi-id=0,lun=0"}, {"scsi-id=3,lun=5"}});
  StartDriver();
  TakeAttention(Flat(0, 0));
  TakeAttention(Flat(3, 5));
  const std::string ready(6, '\0');
  for (const std::string& lun :
       {Flat(1, 0), Flat(255, 0), std::string("\0\0\0\0\0\0\0\0", 8),
        std::string("\2\0\0\0\0\0\0\0", 8), std::string("\1\0\1\0\0\0\0\0", 8),
        std::string("\1\0\x3f\0\0\0\0\0", 8), std::string("\1\0\x80\0\0\0\0\0", 8),
        std::string("\1\0\xc1\0\0\0\0\0", 8)}) {
    const Answer answer = Do(lun, ready);
    EXPECT_EQ(answer.response, kBadTarget) << testing::PrintToString(lun);
    EXPECT_EQ(answer.sense_length, 0u);
  }
  // Of a target that is there, a unit that is not (SPC-4, 6.4.2 and 5.9).
  EXPECT_EQ(Do(Flat(0, 1), ready).Sense(), 0x052500u) << "logical unit not supported";
  EXPECT_EQ(Do(Flat(3, 0), Read10(0, 1), "", kSector).Sense() >> 16, 5u)
      << "no unit 0 behind this target";
  EXPECT_EQ(static_cast<uint8_t>(Data(Flat(0, 1), Inquiry(0, 36, false), 36)[0]), 0x7f);
  EXPECT_EQ(static_cast<uint8_t>(Data(Flat(3, 0), Inquiry(0, 36, false), 36)[0]), 0x3f);
  EXPECT_EQ(Do(Flat(0, 0), ready).status, 0);
}

TEST_F(VirtioScsi, ReportLunsListsTheTargetsUnits) {
  Start({{"scsi-id=2,lun=1"},
         {"scsi-id=2,lun=255"},
         {"scsi-id=2,lun=256"},
         {"scsi-id=2,lun=16383"},
         {"scsi-id=7,lun=9"}});
  StartDriver();
  const auto report = [&](const std::string& lun, uint32_t room, int select = 0) {
    return Do(lun, Cdb({0xa0, 0, select, 0, 0, 0}) + BigEndian(room, 4) + std::string(2, '\0'), "",
              room);
  };
  const auto list = [&](const std::string& lun) {
    const Answer answer = report(lun, 4096);
    EXPECT_EQ(answer.status, 0) << std::hex << answer.Sense();
    const size_t length = FromBigEndian(answer.data, 0, 4);
    EXPECT_EQ(answer.residual, 4096 - 8 - length);
    std::vector<uint64_t> luns;
    for (size_t at = 8; at + 8 <= 8 + length; at += 8)
      luns.push_back(FromBigEndian(answer.data, at, 8));
    std::sort(luns.begin(), luns.end());
    return luns;
  };
  const std::vector<uint64_t> expected{0, 1ULL << 48, 255ULL << 48, 0x4100ULL << 48,
                                       0x7fffULL << 48};
  EXPECT_EQ(list(Simple(2, 0)), expected) << "asked of a unit 0 that is not there";
  EXPECT_EQ(list(Simple(7, 0)), (std::vector<uint64_t>{0, 9ULL << 48}));
  const Answer part = report(Simple(2, 0), 24);
  EXPECT_EQ(FromBigEndian(part.data, 0, 4), 40u) << "the length is of the whole list";
  EXPECT_EQ(part.residual, 0u);
  EXPECT_EQ(report(Simple(2, 0), 16, 2).status, 0);
  EXPECT_EQ(report(Simple(2, 0), 15).Sense(), 0x052400u);
  EXPECT_EQ(report(Simple(2, 0), 16, 3).Sense(), 0x052400u);
  TakeAttention(Simple(2, 1));
}

TEST_F(VirtioScsi, WhatDidNotComeIsTheResidual) {
  Covers({"virtio 5.6.6.1.2 status"});
  Start({{"scsi-id=0,lun=0"}});
  StartDriver();
  TakeAttention(Simple(0, 0));
  Answer answer = Do(Simple(0, 0), Inquiry(0, 96, false), "", 96);
  EXPECT_EQ(answer.residual, 96u - (static_cast<uint8_t>(answer.data[4]) + 5u));
  answer = Do(Simple(0, 0), Read10(0, 2), "", 2 * kSector);
  EXPECT_EQ(answer.residual, 0u);
  EXPECT_EQ(answer.sense_length, 0u);
  EXPECT_EQ(answer.written, 108u + 2 * kSector);
  answer = Do(Simple(0, 0), Read10(kSectors, 1), "", kSector);
  EXPECT_EQ(answer.status, 2) << "CHECK CONDITION";
  EXPECT_EQ(answer.Sense(), 0x052100u);
  EXPECT_EQ(answer.residual, 0u);
  EXPECT_EQ(answer.sense_length, 18u);
  EXPECT_EQ(answer.sense[0], 0x70) << "current, fixed format";
  EXPECT_EQ(answer.sense[7], 10) << "additional length";
}

TEST_F(VirtioScsi, DataThatHasNoRoomIsAnOverrun) {
  Covers({"virtio 5.6.6.1.2 response"});
  Start({{"scsi-id=0,lun=0"}});
  StartDriver();
  TakeAttention(Simple(0, 0));
  const std::string one(kSector, 'x');
  EXPECT_EQ(Do(Simple(0, 0), Read10(0, 2), "", 2 * kSector - 1).response, kOverrun);
  EXPECT_EQ(Do(Simple(0, 0), Write10(0, 2), one).response, kOverrun);
  EXPECT_EQ(Do(Simple(0, 0), Read10(0, 1), one).response, kOverrun) << "the wrong direction";
  EXPECT_EQ(Do(Simple(0, 0), Read10(0, 1), one, kSector).response, kFailure) << "both directions";
  EXPECT_TRUE(ReadFile(File(0)) == MakePattern(kSectors * kSector, 0));
  EXPECT_EQ(Do(Simple(0, 0), Read10(0, 1), "", kSector).response, kOk);
}

TEST_F(VirtioScsi, EachRequestQueueAnswersForItself) {
  Start({{"scsi-id=0,lun=0"}}, ",num_queues=4");
  StartDriver(0, 4);
  TakeAttention(Simple(0, 0));
  for (uint16_t i : {5, 2, 4, 3})
    EXPECT_TRUE(Do(Simple(0, 0), Read10(i, 1), "", kSector, i).data ==
                MakePattern(kSectors * kSector, 0).substr(i * kSector, kSector))
        << i;
  for (Virtqueue& queue : queues) EXPECT_FALSE(queue.Take());
}

TEST_F(VirtioScsi, RequestsOfOneKickAreAllServed) {
  Start({{"scsi-id=0,lun=0"}, {"scsi-id=0,lun=1"}});
  StartDriver();
  TakeAttention(Simple(0, 0));
  TakeAttention(Simple(0, 1));
  std::vector<Posted> posted;
  for (uint8_t i = 0; i < 20; ++i)
    posted.push_back(Post(Simple(0, i % 3), Read10(i, 1), "", kSector));
  device->Notify(kRequests);
  for (size_t i = 0; i < posted.size(); ++i) queues[kRequests].Wait(Deadline(kWait));
  for (size_t i = 0; i < posted.size(); ++i) {
    const Answer answer = Read(posted[i], 0);
    if (i % 3 == 2) {
      EXPECT_EQ(answer.Sense(), 0x052500u) << i;
    } else {
      EXPECT_TRUE(answer.data ==
                  MakePattern(kSectors * kSector, i % 3).substr(i * kSector, kSector))
          << i;
    }
  }
}

}  // namespace
}  // namespace stx
