// SPDX-License-Identifier: GPL-2.0-or-later
// What a driver of virtio-blk reads of its disk (virtio 1.2, section 5.2.4): configuration,
// features and serial number.

#include <algorithm>

#include "harness/qemu/contract.h"
#include "virtio/blk_fixture.h"

namespace stx {
namespace {

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

}  // namespace
}  // namespace stx
