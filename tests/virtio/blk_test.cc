// SPDX-License-Identifier: GPL-2.0-or-later
// What a driver of virtio-blk may rely on (virtio 1.2, section 5.2): configuration, features, what
// each request does to the disk's bytes and which status it ends in, and what is on the medium when
// a write or a flush is done.

#include <sys/stat.h>

#include <algorithm>
#include <map>

#include "base/pattern.h"
#include "base/waiting.h"
#include "harness/host/slow_fsync.h"
#include "harness/qemu/contract.h"
#include "harness/qemu/machine_test.h"
#include "harness/virtio/virtio_pci.h"

namespace stx {
namespace {

constexpr uint32_t kIn = 0, kOut = 1, kScsi = 2, kFlush = 4, kGetId = 8, kDiscard = 11,
                   kWriteZeroes = 13;
constexpr uint8_t kOk = 0, kIoError = 1, kUnsupported = 2;
constexpr int kSegMax = 2, kGeometry = 4, kReadOnly = 5, kBlockSize = 6, kFlushFeature = 9,
              kTopology = 10, kConfigWce = 11, kMultiqueue = 12, kDiscardFeature = 13,
              kWriteZeroesFeature = 14;
constexpr size_t kSector = 512, kSectors = 2048;
constexpr uint32_t kWriteback = 32;  // offset in the configuration
constexpr Milliseconds kWait{10000};

template <typename T>
std::string Bytes(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

/// A segment of discard and write zeroes (5.2.6).
std::string Segment(uint64_t sector, uint32_t sectors, uint32_t flags) {
  return Bytes(sector) + Bytes(sectors) + Bytes(flags);
}

class Blk : public MachineTest {
 protected:
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

TEST_F(Blk, TheConfigurationSaysWhatTheDiskIs) {
  Covers({"virtio 5.2.5.2 padding", "virtio 2.5.2 readable-early"});
  Start(
      ",physical_block_size=4096,min_io_size=8192,opt_io_size=65536,queue-size=64,num-queues=3,"
      "cyls=20,heads=3,secs=17,max-discard-sectors=1000,discard_granularity=4096,"
      "max-write-zeroes-sectors=500");
  EXPECT_EQ(device->Status(), 0) << "before a driver is there";
  EXPECT_EQ(device->ConfigQ(0), kSectors);
  EXPECT_EQ(device->ConfigL(12), 62u) << "seg_max: the queue's size, less header and status";
  EXPECT_EQ(device->ConfigW(16), 20) << "cylinders";
  EXPECT_EQ(device->ConfigB(18), 3) << "heads";
  EXPECT_EQ(device->ConfigB(19), 17) << "sectors";
  EXPECT_EQ(device->ConfigL(20), 512u) << "blk_size";
  EXPECT_EQ(device->ConfigB(24), 3) << "8 logical blocks per physical one";
  EXPECT_EQ(device->ConfigB(25), 0) << "alignment_offset";
  EXPECT_EQ(device->ConfigW(26), 16) << "min_io_size, in blocks";
  EXPECT_EQ(device->ConfigL(28), 128u) << "opt_io_size, in blocks";
  EXPECT_EQ(device->ConfigB(kWriteback), 1);
  EXPECT_EQ(device->ConfigB(33), 0) << "unused0";
  EXPECT_EQ(device->ConfigW(34), 3) << "num_queues";
  EXPECT_EQ(device->ConfigL(36), 1000u) << "max_discard_sectors";
  EXPECT_EQ(device->ConfigL(40), 1u) << "max_discard_seg";
  EXPECT_EQ(device->ConfigL(44), 8u) << "discard_sector_alignment";
  EXPECT_EQ(device->ConfigL(48), 500u) << "max_write_zeroes_sectors";
  EXPECT_EQ(device->ConfigL(52), 1u) << "max_write_zeroes_seg";
  EXPECT_EQ(device->ConfigB(56), 1) << "write_zeroes_may_unmap";
  EXPECT_EQ(device->QueueCount(), 3);
  EXPECT_EQ(device->QueueMaxSize(2), 64);
  EXPECT_EQ(device->QueueMaxSize(3), 0);
}

TEST_F(Blk, DefaultsAreOfADiskOfTheHost) {
  Start();
  EXPECT_EQ(device->ConfigL(8), 0u) << "size_max: none";
  EXPECT_EQ(device->ConfigL(12), 254u) << "seg_max";
  EXPECT_EQ(device->ConfigL(20), 512u) << "blk_size";
  EXPECT_EQ(device->ConfigB(24), 0) << "physical blocks of the same size";
  EXPECT_EQ(device->ConfigL(28), 0u) << "opt_io_size";
  EXPECT_EQ(device->ConfigW(34), 1) << "num_queues";
  EXPECT_EQ(device->ConfigL(36), 0x3fffffu) << "max_discard_sectors: below 2 GiB";
  EXPECT_EQ(device->ConfigL(44), 1u) << "discard_sector_alignment";
  EXPECT_EQ(device->ConfigL(48), 0x3fffffu) << "max_write_zeroes_sectors";
  EXPECT_EQ(device->QueueMaxSize(0), 256);
}

TEST_F(Blk, FeaturesFollowFromTheOptions) {
  Covers({"virtio 5.2.5.2 flush-offered"});
  const struct {
    const char *device, *node;
    std::vector<int> lost, gained;
  } cases[] = {
      {"", "", {}, {}},
      {"", ",read-only=on", {}, {kReadOnly}},
      {",num-queues=2", "", {}, {kMultiqueue}},
      {",discard=off", "", {kDiscardFeature}, {}},
      {",write-zeroes=off", "", {kWriteZeroesFeature}, {}},
      {",config-wce=off", "", {kConfigWce}, {}},
      {",write-cache=off", "", {}, {}},  // the driver may switch it on
      {",write-cache=off,config-wce=off", "", {kConfigWce, kFlushFeature}, {}},
      {",indirect_desc=off,event_idx=off",
       "",
       {virtio::kFeatureIndirect, virtio::kFeatureEventIndex},
       {}},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(std::string(c.device) + c.node);
    Start(c.device, c.node);
    std::vector<int> expected{kSegMax,
                              kGeometry,
                              kBlockSize,
                              kFlushFeature,
                              kTopology,
                              kConfigWce,
                              kDiscardFeature,
                              kWriteZeroesFeature,
                              virtio::kFeatureIndirect,
                              virtio::kFeatureEventIndex,
                              virtio::kFeatureVersion1};
    for (int feature : c.lost) std::erase(expected, feature);
    expected.insert(expected.end(), c.gained.begin(), c.gained.end());
    for (int bit = 0; bit < 64; ++bit) {
      // NOTIFY_ON_EMPTY, ANY_LAYOUT, RING_RESET and what QEMU keeps to itself.
      if (bit == 24 || bit == 27 || bit == 30 || bit == 33 || bit == 40) continue;
      EXPECT_EQ(Offers(bit), std::count(expected.begin(), expected.end(), bit) == 1) << bit;
    }
  }
}

TEST_F(Blk, TheSerialNumberHasAtMostTwentyBytes) {
  const struct {
    const char *serial, *answer;
    uint32_t room;
  } cases[] = {
      {"short", "short", 20},
      {"exactly-twenty-bytes", "exactly-twenty-bytes", 20},
      {"twenty-one-bytes-long", "twenty-one-bytes-lon", 20},
      {"twenty-one-bytes-long", "twenty-one-bytes-lon", 32},
      {"abcdefghij", "abcd", 4},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.serial);
    Start(std::string(",serial=") + c.serial);
    StartDriver();
    const Answer answer = Do(kGetId, 0, "", c.room);
    EXPECT_EQ(answer.status, kOk);
    std::string expected = c.answer;
    if (expected.size() < std::min<size_t>(c.room, 20)) expected += '\0';
    expected.resize(c.room, '\xaa');
    EXPECT_EQ(answer.data, expected);
  }
}

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
