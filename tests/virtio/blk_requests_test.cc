// SPDX-License-Identifier: GPL-2.0-or-later
// What each request of virtio-blk does to the disk's bytes, and in which status it ends
// (virtio 1.2, section 5.2.6).

#include <sys/stat.h>

#include <map>

#include "base/waiting.h"
#include "harness/qemu/contract.h"
#include "virtio/blk_fixture.h"

namespace stx {
namespace {

TEST_F(Blk, AnUnknownRequestIsUnsupported) {
  Start(",discard=on");
  StartDriver();
  // Of discard and write zeroes, the bit that says that data goes out is missing.
  for (uint32_t type : {kScsi, 3u, 6u, kDiscard - 1, kWriteZeroes - 1, 14u, 99u})
    EXPECT_EQ(StatusOf(type, 0, Segment(0, 1, 0), 512), kUnsupported) << type;
  EXPECT_EQ(Do(kIn, 5, "", kSector).data, disk.substr(5 * kSector, kSector)) << "it goes on";
  ExpectFile(disk);
}

TEST_F(Blk, WhatTheDeviceWroteIsCounted) {
  Covers({"virtio 2.7.8.2 len"});
  Start();
  StartDriver();
  EXPECT_EQ(Do(kIn, 0, "", 1024).written, 1025u);
  EXPECT_EQ(Do(kOut, 0, std::string(1024, 'x')).written, 1u);
  EXPECT_EQ(Do(kFlush, 0, "").written, 1u);
  EXPECT_EQ(Do(kGetId, 0, "", 20).written, 21u);
}

TEST_F(Blk, ARequestOutsideTheDiskIsAnError) {
  Start();
  StartDriver();
  const std::string one(kSector, 'x'), two(2 * kSector, 'x');
  EXPECT_EQ(Do(kIn, kSectors - 1, "", kSector).data, disk.substr((kSectors - 1) * kSector));
  EXPECT_EQ(StatusOf(kIn, kSectors, "", kSector), kIoError);
  EXPECT_EQ(StatusOf(kIn, kSectors - 1, "", 2 * kSector), kIoError);
  EXPECT_EQ(StatusOf(kOut, kSectors, one), kIoError);
  EXPECT_EQ(StatusOf(kOut, kSectors - 1, two), kIoError);
  EXPECT_EQ(StatusOf(kOut, 1ULL << 55, one), kIoError) << "its byte is 0, modulo 2^64";
  EXPECT_EQ(StatusOf(kOut, ~0ULL, one), kIoError);
  EXPECT_EQ(StatusOf(kOut, 0, std::string(511, 'x')), kIoError);
  EXPECT_EQ(StatusOf(kOut, 0, std::string(513, 'x')), kIoError);
  EXPECT_EQ(StatusOf(kIn, 0, "", 100), kIoError);
  ExpectFile(disk);
  EXPECT_EQ(StatusOf(kOut, kSectors - 1, one), kOk);
  ExpectFile(disk.substr(0, (kSectors - 1) * kSector) + one);
}

TEST_F(Blk, RequestsAreOfWholeLogicalBlocks) {
  Start(",logical_block_size=4096,physical_block_size=4096,discard_granularity=4096");
  EXPECT_EQ(device->ConfigQ(0), kSectors) << "the capacity is in sectors all the same";
  EXPECT_EQ(device->ConfigL(20), 4096u);
  EXPECT_EQ(device->ConfigB(24), 0);
  StartDriver();
  EXPECT_EQ(Do(kIn, 8, "", 4096).data, disk.substr(4096, 4096));
  EXPECT_EQ(StatusOf(kIn, 1, "", 4096), kIoError);
  EXPECT_EQ(StatusOf(kIn, 4, "", 4096), kIoError);
  EXPECT_EQ(StatusOf(kIn, 8, "", 512), kIoError);
  EXPECT_EQ(StatusOf(kIn, 8, "", 4096 + 512), kIoError);
  EXPECT_EQ(StatusOf(kWriteZeroes, 0, Segment(4, 8, 0)), kIoError);
  EXPECT_EQ(StatusOf(kWriteZeroes, 0, Segment(8, 4, 0)), kIoError);
  ExpectFile(disk);
}

TEST_F(Blk, AReadOnlyDiskIsNotWritten) {
  Covers({"virtio 5.2.6.2 read-only"});
  Start("", ",read-only=on,discard=unmap");
  StartDriver();
  EXPECT_EQ(StatusOf(kOut, 0, std::string(kSector, 'x')), kIoError);
  EXPECT_EQ(StatusOf(kWriteZeroes, 0, Segment(0, 8, 0)), kIoError);
  EXPECT_EQ(StatusOf(kDiscard, 0, Segment(0, 8, 0)), kIoError);
  EXPECT_EQ(Do(kIn, 7, "", kSector).data, disk.substr(7 * kSector, kSector));
  ExpectFile(disk);
}

TEST_F(Blk, ZeroesAreWhereTheyWereAskedFor) {
  Covers({"virtio 5.2.6.2 zeroes"});
  for (const char* detect : {"", ",discard=unmap"}) {
    Start("", detect);
    StartDriver();
    for (uint32_t unmap : {0u, 1u}) {
      const uint64_t first = 100 + 1000 * unmap;
      EXPECT_EQ(StatusOf(kWriteZeroes, 0, Segment(first, 37, unmap)), kOk);
      disk.replace(first * kSector, 37 * kSector, std::string(37 * kSector, '\0'));
      ExpectFile(disk);
      EXPECT_EQ(Do(kIn, first + 36, "", 2 * kSector).data,
                disk.substr((first + 36) * kSector, 2 * kSector));
    }
    EXPECT_EQ(StatusOf(kWriteZeroes, 0, Segment(kSectors - 1, 1, 0)), kOk) << "the last sector";
    disk.replace((kSectors - 1) * kSector, kSector, std::string(kSector, '\0'));
    ExpectFile(disk);
  }
}

TEST_F(Blk, DiscardAndUnmapGiveTheHostItsSpaceBack) {
  Start(",discard_granularity=4096", ",discard=unmap");
  StartDriver();
  const auto blocks = [&] {
    struct stat status {};
    if (stat((dir / "disk").c_str(), &status) != 0) ThrowErrno("stat");
    return status.st_blocks;
  };
  const auto all = blocks();
  EXPECT_EQ(StatusOf(kDiscard, 0, Segment(0, 512, 0)), kOk);
  if (blocks() == all) GTEST_SKIP() << "this file system keeps the space of a hole";
  EXPECT_LE(blocks(), all - 504);
  EXPECT_TRUE(ReadFile(dir / "disk").substr(512 * kSector) == disk.substr(512 * kSector));
  const auto less = blocks();
  EXPECT_EQ(StatusOf(kWriteZeroes, 0, Segment(1024, 512, 1)), kOk);
  EXPECT_LE(blocks(), less - 504) << "with the unmap flag";
  const auto least = blocks();
  EXPECT_EQ(StatusOf(kWriteZeroes, 0, Segment(512, 512, 0)), kOk);
  EXPECT_EQ(blocks(), least) << "without the unmap flag";
}

TEST_F(Blk, DiscardAndWriteZeroesRefuseWhatTheyMust) {
  Covers({"virtio 5.2.6.2 unknown-flag", "virtio 5.2.6.2 discard-unmap"});
  Start(",max-discard-sectors=16,max-write-zeroes-sectors=24,discard_granularity=512",
        ",discard=unmap");
  StartDriver();
  for (uint32_t type : {kDiscard, kWriteZeroes}) {
    SCOPED_TRACE(type);
    for (uint32_t flags : {2u, 4u, 0x80000000u, 3u})
      EXPECT_EQ(StatusOf(type, 0, Segment(0, 8, flags)), kUnsupported) << flags;
    const uint32_t most = type == kDiscard ? 16 : 24;
    EXPECT_EQ(StatusOf(type, 0, Segment(0, most + 1, 0)), kIoError);
    EXPECT_EQ(StatusOf(type, 0, Segment(0, 0xffffffff, 0)), kIoError);
    EXPECT_EQ(StatusOf(type, 0, Segment(kSectors, 1, 0)), kIoError);
    EXPECT_EQ(StatusOf(type, 0, Segment(kSectors - 1, 2, 0)), kIoError);
    EXPECT_EQ(StatusOf(type, 0, Segment(~0ULL, 1, 0)), kIoError);
    EXPECT_EQ(StatusOf(type, 0, Segment(0, 1, 0) + Segment(8, 1, 0)), kUnsupported)
        << "one segment is the most";
  }
  EXPECT_EQ(StatusOf(kDiscard, 0, Segment(0, 8, 1)), kUnsupported) << "unmap, of a discard";
  ExpectFile(disk);
  EXPECT_EQ(StatusOf(kWriteZeroes, 0, Segment(64, 24, 0)), kOk) << "the most sectors";
  EXPECT_EQ(StatusOf(kDiscard, 0, Segment(64, 16, 0)), kOk) << "the most sectors";
}

TEST_F(Blk, ASegmentThatIsCutOffNeedsAReset) {
  Start();
  for (uint32_t type : {kDiscard, kWriteZeroes}) {
    StartDriver();
    Post(type, 0, Segment(0, 8, 0).substr(0, 15));
    device->Notify(0);
    WaitUntil("DEVICE_NEEDS_RESET", Deadline(kWait),
              [&] { return device->Status() & virtio::kNeedsReset; });
    ExpectFile(disk);
  }
}

// Requests that are made available together may be merged: each has its own bytes and status.
TEST_F(Blk, RequestsOfOneKickKeepTheirBytesApart) {
  Covers({"virtio 2.7.4.1 framing"});
  for (const char* options : {"", ",request-merging=off", ",queue-size=1024,num-queues=1"}) {
    SCOPED_TRACE(options);
    Start(options);
    StartDriver();
    // More than the 32 that may become one; adjacent, out of order, with gaps, the other way round.
    std::vector<std::pair<uint64_t, uint32_t>> places;
    for (uint64_t i = 0; i < 36; ++i) places.push_back({100 + (i * 5) % 36, 1});
    for (uint64_t i : {10, 12, 14, 15, 17}) places.push_back({i * 4, static_cast<uint32_t>(i % 4)});
    std::erase_if(places, [](const auto& place) { return place.second == 0; });
    std::vector<Request> requests;
    for (size_t i = 0; i < places.size(); ++i) {
      const std::string bytes = MakePattern(places[i].second * kSector, 50 + i);
      disk.replace(places[i].first * kSector, bytes.size(), bytes);
      requests.push_back(Post(kOut, places[i].first, bytes));
      if (i == 20) requests.push_back(Post(kOut, kSectors, std::string(kSector, 'x')));
    }
    device->Notify(0);
    for (size_t i = 0; i < requests.size(); ++i) queues[0].Wait(Deadline(kWait));
    for (size_t i = 0; i < requests.size(); ++i)
      EXPECT_EQ(qtest().ReadB(requests[i].status), i == 21 ? kIoError : kOk) << i;
    ExpectFile(disk);

    std::vector<Request> reads;
    for (const auto& [sector, count] : places)
      reads.push_back(Post(kIn, sector, "", count * static_cast<uint32_t>(kSector)));
    device->Notify(0);
    std::map<uint16_t, uint32_t> written;
    for (size_t i = 0; i < reads.size(); ++i) {
      const DriverQueue::Used used = queues[0].Wait(Deadline(kWait));
      written[used.head] = used.written;
    }
    for (size_t i = 0; i < reads.size(); ++i) {
      const Answer answer = Read(reads[i], written[reads[i].head]);
      EXPECT_EQ(answer.status, kOk);
      EXPECT_EQ(answer.written, places[i].second * kSector + 1);
      EXPECT_TRUE(answer.data == disk.substr(places[i].first * kSector, places[i].second * kSector))
          << i;
    }
  }
}

TEST_F(Blk, AWriteIsReadByTheNextRequestOfTheKick) {
  Start();
  StartDriver();
  const std::string news(kSector, 'n');
  Post(kOut, 3, news);
  const Request flush = Post(kFlush, 0, "");
  device->Notify(0);
  for (int i = 0; i < 2; ++i) queues[0].Wait(Deadline(kWait));
  EXPECT_EQ(qtest().ReadB(flush.status), kOk);
  EXPECT_EQ(Do(kIn, 3, "", kSector).data, news);
}

TEST_F(Blk, EachQueueAnswersForItself) {
  Start(",num-queues=4");
  StartDriver(virtio::Bit(kMultiqueue), 4);
  for (uint16_t i : {3, 0, 2, 1, 3}) {
    const Answer answer = Do(kIn, i, "", kSector, i);
    EXPECT_EQ(answer.status, kOk);
    EXPECT_TRUE(answer.data == disk.substr(i * kSector, kSector)) << i;
  }
  for (Virtqueue& queue : queues) EXPECT_FALSE(queue.Take());
}

}  // namespace
}  // namespace stx
