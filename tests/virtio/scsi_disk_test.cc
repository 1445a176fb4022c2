// SPDX-License-Identifier: GPL-2.0-or-later
// What a driver of SCSI disks may rely on of scsi-hd: SPC-4 (inquiry, mode and sense data) and
// SBC-3 (the commands of a disk).

#include <sys/stat.h>

#include "base/waiting.h"
#include "harness/host/slow_fsync.h"
#include "virtio/scsi_fixture.h"

namespace stx {
namespace {

// Sense data: key, additional sense code, qualifier.
constexpr uint32_t kInvalidOpcode = 0x052000, kOutOfRange = 0x052100, kInvalidField = 0x052400,
                   kInvalidParameterLength = 0x051a00, kInvalidParameter = 0x052600,
                   kWriteProtected = 0x072700;

class ScsiHd : public ScsiTest {
 protected:
  /// One unit, its unit attention taken.
  void StartOne(const std::string& options = "", const std::string& node = "") {
    Start({{"scsi-id=0,lun=0" + options, node}});
    StartDriver();
    TakeAttention(lun);
    disk = MakePattern(kSectors * kSector, 0);
  }
  uint32_t SenseOf(const std::string& cdb, const std::string& out = "", uint32_t in = 0) {
    const Answer answer = Do(lun, cdb, out, in);
    EXPECT_EQ(answer.response, kOk);
    EXPECT_EQ(answer.status, answer.Sense() ? 2 : 0);
    return answer.Sense();
  }
  std::string Get(const std::string& cdb, uint32_t in) { return Data(lun, cdb, in); }
  void ExpectFile() { EXPECT_TRUE(ReadFile(File(0)) == disk); }
  static std::string Hex(const std::string& bytes) {
    std::string text;
    for (unsigned char byte : bytes) {
      char two[3];
      std::snprintf(two, sizeof(two), "%02x", byte);
      text += two;
    }
    return text;
  }
  std::string Vital(int page, uint32_t size) {
    const std::string got = Get(Inquiry(page, static_cast<uint16_t>(size)), size);
    EXPECT_EQ(got[0], 0) << "a disk";
    EXPECT_EQ(static_cast<uint8_t>(got[1]), page);
    return got.substr(4, FromBigEndian(got, 2, 2));
  }

  const std::string lun = Simple(0, 0);
  std::string disk;
};

TEST_F(ScsiHd, InquirySaysWhatItIs) {
  StartOne(",vendor=STX,product=a-disk,ver=1.2");
  const std::string data = Get(Inquiry(0, 36, false), 36);
  EXPECT_EQ(Hex(data.substr(0, 8)), "000005121f000012")
      << "a disk that stays; SPC-3; HiSup, format 2; 31 bytes follow; commands are queued";
  EXPECT_EQ(data.substr(8, 8), "STX     ");
  EXPECT_EQ(data.substr(16, 16), "a-disk          ");
  EXPECT_EQ(data.substr(32), std::string("1.2\0", 4));
  EXPECT_EQ(Get(Inquiry(0, 96, false), 96)[4], 91) << "as much as was asked for";
  EXPECT_EQ(Get(Inquiry(0, 5, false), 5), data.substr(0, 5));
  EXPECT_EQ(SenseOf(Inquiry(1, 36, false), "", 36), kInvalidField) << "a page without EVPD";
  StartOne(",removable=on");
  EXPECT_EQ(static_cast<uint8_t>(Get(Inquiry(0, 36, false), 36)[1]), 0x80);
}

TEST_F(ScsiHd, VitalProductDataIdentifiesTheDisk) {
  StartOne(
      ",serial=serial-1,device_id=name-1,wwn=0x5000c50015ea71aa,port_wwn=0x5000c50015ea71ab,"
      "port_index=3");
  EXPECT_EQ(Hex(Vital(0, 64)), "008083b0b1b2");
  EXPECT_EQ(Vital(0x80, 64), "serial-1");
  EXPECT_EQ(Hex(Vital(0x83, 128)), "02000006" + Hex("name-1") + "01030008" + "5000c50015ea71aa" +
                                       "61930008" + "5000c50015ea71ab" + "61940004" + "00000003");
  EXPECT_EQ(SenseOf(Inquiry(0xb3, 64), "", 64), kInvalidField);
  EXPECT_EQ(SenseOf(Inquiry(0x81, 64), "", 64), kInvalidField);
  StartOne();
  EXPECT_EQ(Hex(Vital(0, 64)), "0083b0b1b2") << "no serial number";
  EXPECT_EQ(SenseOf(Inquiry(0x80, 64), "", 64), kInvalidField);
  StartOne(",serial=" + std::string(40, 's'));
  EXPECT_EQ(Vital(0x80, 64), std::string(36, 's')) << "as many as fit";
  EXPECT_EQ(Hex(Vital(0x83, 64)), "02000014" + Hex(std::string(20, 's')))
      << "the serial number stands for a name";
}

TEST_F(ScsiHd, VitalProductDataSaysItsLimits) {
  StartOne(
      ",min_io_size=4096,opt_io_size=65536,discard_granularity=8192,max_unmap_size=1048576,"
      "max_io_size=262144,rotation_rate=7200");
  const std::string limits = Vital(0xb0, 64);
  ASSERT_EQ(limits.size(), 0x3cu);
  EXPECT_EQ(limits[0], 1) << "WSNZ: WRITE SAME of 0 blocks is none of all";
  EXPECT_EQ(FromBigEndian(limits, 2, 2), 8u) << "optimal transfer length granularity";
  EXPECT_EQ(FromBigEndian(limits, 4, 4), 512u) << "maximum transfer length";
  EXPECT_EQ(FromBigEndian(limits, 8, 4), 128u) << "optimal transfer length";
  EXPECT_EQ(FromBigEndian(limits, 16, 4), 2048u) << "maximum unmap LBA count";
  EXPECT_EQ(FromBigEndian(limits, 20, 4), 255u) << "maximum unmap block descriptor count";
  EXPECT_EQ(FromBigEndian(limits, 24, 4), 16u) << "optimal unmap granularity";
  EXPECT_EQ(FromBigEndian(limits, 28, 4), 0u) << "no alignment";
  EXPECT_EQ(FromBigEndian(limits, 32, 8), 512u) << "maximum WRITE SAME length";
  const std::string characteristics = Vital(0xb1, 64);
  EXPECT_EQ(FromBigEndian(characteristics, 0, 2), 7200u);
  EXPECT_EQ(Hex(Vital(0xb2, 64)), "00e00200") << "LBPU, LBPWS, LBPWS10; thin";
  StartOne(",discard_granularity=0,rotation_rate=1");
  EXPECT_EQ(Hex(Vital(0xb2, 64)), "00e00100") << "resource provisioned";
  EXPECT_EQ(FromBigEndian(Vital(0xb1, 64), 0, 2), 1u) << "does not rotate";
}

TEST_F(ScsiHd, CapacityIsTheLastBlockAndTheBlocksSize) {
  StartOne(",physical_block_size=4096,discard_granularity=4096");
  const std::string ten = Cdb({0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  EXPECT_EQ(Hex(Get(ten, 8)), "000007ff00000200");
  const auto sixteen = [](int service, int lba, int pmi, int room) {
    return Cdb({0x9e, service, 0, 0, 0, 0, 0, 0, 0, lba, 0, 0, 0, room, pmi, 0});
  };
  EXPECT_EQ(Hex(Get(sixteen(0x10, 0, 0, 32), 32)),
            "00000000000007ff"
            "00000200"
            "00038000" +
                std::string(32, '0'))
      << "8 logical blocks per physical block; it unmaps";
  EXPECT_EQ(SenseOf(sixteen(0x10, 1, 0, 32), "", 32), kInvalidField) << "an address without PMI";
  EXPECT_EQ(SenseOf(sixteen(0x10, 1, 1, 32), "", 32), 0u);
  EXPECT_EQ(SenseOf(sixteen(0x11, 0, 0, 32), "", 32), kInvalidField) << "no such service action";
  EXPECT_EQ(SenseOf(Cdb({0x25, 0, 0, 0, 0, 1, 0, 0, 0, 0}), "", 8), kInvalidField);
  EXPECT_EQ(SenseOf(Cdb({0x25, 0, 0, 0, 0, 1, 0, 0, 1, 0}), "", 8), 0u);
  StartOne(",logical_block_size=4096,physical_block_size=4096,discard_granularity=0");
  EXPECT_EQ(Hex(Get(ten, 8)), "000000ff00001000");
  EXPECT_EQ(Hex(Get(sixteen(0x10, 0, 0, 32), 32)).substr(0, 32),
            "00000000000000ff0000100000000000");
}

TEST_F(ScsiHd, EachReadAndWriteCommandMeansTheSameBlocks) {
  StartOne();
  const auto expect_read = [&](const std::string& cdb, size_t sector, size_t count) {
    const auto bytes = static_cast<uint32_t>(count * kSector);
    EXPECT_TRUE(Get(cdb, bytes) == disk.substr(sector * kSector, bytes)) << Hex(cdb);
  };
  const auto write = [&](const std::string& cdb, size_t sector, size_t count) {
    const std::string bytes = MakePattern(count * kSector, cdb[0]);
    EXPECT_EQ(SenseOf(cdb, bytes), 0u) << Hex(cdb);
    disk.replace(sector * kSector, bytes.size(), bytes);
    ExpectFile();
  };
  expect_read(Cdb({0x08, 0, 1, 2, 3, 0}), 0x102, 3);
  expect_read(Cdb({0x08, 0, 0, 0, 0, 0}), 0, 256);  // of 6 bytes: 0 blocks are 256
  expect_read(Read10(0x205, 4), 0x205, 4);
  expect_read(Cdb({0xa8, 0, 0, 0, 3, 6, 0, 0, 0, 5, 0, 0}), 0x306, 5);
  expect_read(Cdb({0x88, 0, 0, 0, 0, 0, 0, 0, 4, 7, 0, 0, 0, 6, 0, 0}), 0x407, 6);
  write(Cdb({0x0a, 0, 1, 2, 3, 0}), 0x102, 3);
  write(Write10(0x205, 4), 0x205, 4);
  write(Cdb({0xaa, 0, 0, 0, 3, 6, 0, 0, 0, 5, 0, 0}), 0x306, 5);
  write(Cdb({0x8a, 0, 0, 0, 0, 0, 0, 0, 4, 7, 0, 0, 0, 6, 0, 0}), 0x407, 6);
  write(Cdb({0x2e, 0, 0, 0, 5, 8, 0, 0, 2, 0}), 0x508, 2);  // WRITE AND VERIFY
  write(Cdb({0xae, 0, 0, 0, 5, 0x10, 0, 0, 0, 2, 0, 0}), 0x510, 2);
  write(Cdb({0x8e, 0, 0, 0, 0, 0, 0, 0, 5, 0x18, 0, 0, 0, 2, 0, 0}), 0x518, 2);
  expect_read(Read10(0x100, 255), 0x100, 255);
  EXPECT_EQ(SenseOf(Read10(3, 0)), 0u) << "no blocks";
  EXPECT_EQ(SenseOf(Write10(3, 0)), 0u);
}

TEST_F(ScsiHd, WhatIsNotOnTheDiskIsOutOfRange) {
  StartOne();
  const std::string one(kSector, 'x'), two(2 * kSector, 'x');
  EXPECT_EQ(SenseOf(Read10(kSectors - 1, 1), "", kSector), 0u);
  EXPECT_EQ(SenseOf(Read10(kSectors, 1), "", kSector), kOutOfRange);
  EXPECT_EQ(SenseOf(Read10(kSectors - 1, 2), "", 2 * kSector), kOutOfRange);
  EXPECT_EQ(SenseOf(Write10(kSectors, 1), one), kOutOfRange);
  EXPECT_EQ(SenseOf(Write10(kSectors - 1, 2), two), kOutOfRange);
  EXPECT_EQ(SenseOf(Cdb({0x88, 0}) + BigEndian(~0ULL, 8) + BigEndian(2, 4) + std::string(2, '\0'),
                    "", 2 * kSector),
            kOutOfRange)
      << "the last block's number wraps";
  EXPECT_EQ(SenseOf(Read10(kSectors, 0)), 0u) << "none, right behind the last";
  EXPECT_EQ(SenseOf(Read10(kSectors + 1, 0)), kOutOfRange);
  EXPECT_EQ(SenseOf(Cdb({0x2b, 0}) + BigEndian(kSectors - 1, 4) + std::string(4, '\0')), 0u);
  EXPECT_EQ(SenseOf(Cdb({0x2b, 0}) + BigEndian(kSectors, 4) + std::string(4, '\0')), kOutOfRange)
      << "SEEK";
  ExpectFile();
}

TEST_F(ScsiHd, WhatItCannotDoItRefuses) {
  StartOne();
  EXPECT_EQ(SenseOf(Cdb({0x01, 0, 0, 0, 0, 0})), kInvalidOpcode);
  EXPECT_EQ(SenseOf(Cdb({0x83, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})), kInvalidOpcode);
  EXPECT_EQ(SenseOf(Read10(0, 1, 0x20), "", kSector), kInvalidField) << "protection information";
  EXPECT_EQ(SenseOf(Write10(0, 1, 0x80), std::string(kSector, 'x')), kInvalidField);
  EXPECT_EQ(SenseOf(Cdb({0x2f, 2, 0, 0, 0, 0, 0, 0, 1, 0}), std::string(kSector, 'x')),
            kInvalidField)
      << "VERIFY of bytes";
  EXPECT_EQ(SenseOf(Cdb({0x2f, 0, 0, 0, 0, 0, 0, 0, 1, 0})), 0u) << "VERIFY of the medium";
  EXPECT_EQ(SenseOf(Cdb({0x16, 0, 0, 0, 0, 0})), 0u) << "RESERVE";
  EXPECT_EQ(SenseOf(Cdb({0x16, 1, 0, 0, 0, 0})), kInvalidField);
  EXPECT_EQ(SenseOf(Cdb({0x17, 0, 0, 0, 0, 0})), 0u) << "RELEASE";
  EXPECT_EQ(SenseOf(Cdb({0x17, 1, 0, 0, 0, 0})), kInvalidField);
  EXPECT_EQ(SenseOf(Cdb({0x56, 0, 0, 0, 0, 0, 0, 0, 0, 0})), 0u);
  EXPECT_EQ(SenseOf(Cdb({0x56, 2, 0, 0, 0, 0, 0, 0, 0, 0})), kInvalidField);
  EXPECT_EQ(SenseOf(Cdb({0x57, 0, 0, 0, 0, 0, 0, 0, 0, 0})), 0u);
  EXPECT_EQ(SenseOf(Cdb({0x57, 1, 0, 0, 0, 0, 0, 0, 0, 0})), kInvalidField);
  ExpectFile();
}

TEST_F(ScsiHd, RequestSenseAnswersInBothFormats) {
  StartOne();
  const std::string fixed = Get(Cdb({0x03, 0, 0, 0, 18, 0}), 18);
  EXPECT_EQ(Hex(fixed),
            "70000000"
            "0000000a" +
                std::string(20, '0'))
      << "no sense";
  EXPECT_EQ(Hex(Get(Cdb({0x03, 1, 0, 0, 8, 0}), 8)), "7200000000000000") << "descriptors";
  // What a command ended in is known once only: it came with that command.
  EXPECT_EQ(SenseOf(Cdb({0x01, 0, 0, 0, 0, 0})), kInvalidOpcode);
}

TEST_F(ScsiHd, AProtectedDiskIsNotWritten) {
  StartOne("", ",read-only=on");
  EXPECT_EQ(SenseOf(Write10(0, 1), std::string(kSector, 'x')), kWriteProtected);
  EXPECT_EQ(SenseOf(Cdb({0x41, 0, 0, 0, 0, 0, 0, 0, 1, 0}), std::string(kSector, '\0')),
            kWriteProtected)
      << "WRITE SAME";
  EXPECT_EQ(SenseOf(Cdb({0x42, 0, 0, 0, 0, 0, 0, 0, 24, 0}),
                    BigEndian(22, 2) + BigEndian(16, 2) + std::string(4, '\0') + BigEndian(0, 8) +
                        BigEndian(8, 4) + std::string(4, '\0')),
            kWriteProtected)
      << "UNMAP";
  EXPECT_EQ(static_cast<uint8_t>(Get(Cdb({0x1a, 0, 0x3f, 0, 255, 0}), 255)[2]), 0x80) << "WP";
  ExpectFile();
}

TEST_F(ScsiHd, WriteSameRepeatsOneBlock) {
  StartOne();
  const auto same10 = [](uint32_t lba, uint16_t count, int flags = 0) {
    return Cdb({0x41, flags}) + BigEndian(lba, 4) + '\0' + BigEndian(count, 2) + '\0';
  };
  const auto same16 = [](uint64_t lba, uint32_t count, int flags = 0) {
    return Cdb({0x93, flags}) + BigEndian(lba, 8) + BigEndian(count, 4) + std::string(2, '\0');
  };
  const std::string block = MakePattern(kSector, 77), zeroes(kSector, '\0');
  const auto expect = [&](size_t sector, size_t count, const std::string& bytes) {
    for (size_t i = 0; i < count; ++i) disk.replace((sector + i) * kSector, kSector, bytes);
    ExpectFile();
  };
  EXPECT_EQ(SenseOf(same10(10, 7), block), 0u);
  expect(10, 7, block);
  EXPECT_EQ(SenseOf(same16(100, 1025), block), 0u) << "more than is written at once";
  expect(100, 1025, block);
  EXPECT_EQ(SenseOf(same16(200, 5), zeroes), 0u);
  expect(200, 5, zeroes);
  EXPECT_EQ(SenseOf(same10(210, 5, 8), zeroes), 0u) << "UNMAP";
  expect(210, 5, zeroes);
  EXPECT_EQ(SenseOf(same10(kSectors - 1, 1), block), 0u);
  expect(kSectors - 1, 1, block);
  EXPECT_EQ(SenseOf(same10(kSectors - 1, 2), block), kOutOfRange);
  EXPECT_EQ(SenseOf(same16(kSectors, 1), block), kOutOfRange);
  EXPECT_EQ(SenseOf(same10(0, 0), block), kInvalidField) << "all that follow: not here";
  for (int flag : {0x10, 4, 2}) EXPECT_EQ(SenseOf(same10(0, 1, flag), block), kInvalidField);
  ExpectFile();
}

TEST_F(ScsiHd, WriteSameWithoutDataWritesZeroes) {
  StartOne();
  const auto same = [](uint64_t lba, uint32_t count, int flags) {
    return Cdb({0x93, flags}) + BigEndian(lba, 8) + BigEndian(count, 4) + std::string(2, '\0');
  };
  constexpr int kNoData = 1, kUnmap = 8;
  EXPECT_EQ(SenseOf(same(220, 5, kNoData)), 0u);
  EXPECT_EQ(SenseOf(same(1000, 1048, kNoData | kUnmap)), 0u);
  EXPECT_EQ(SenseOf(same(kSectors, 1, kNoData)), kOutOfRange);
  EXPECT_EQ(SenseOf(same(0, 0, kNoData)), kInvalidField);
  EXPECT_EQ(SenseOf(same(0, 1, kNoData | 0x10)), kInvalidField);
  disk.replace(220 * kSector, 5 * kSector, std::string(5 * kSector, '\0'));
  disk.replace(1000 * kSector, 1048 * kSector, std::string(1048 * kSector, '\0'));
  ExpectFile();
  StartOne("", ",read-only=on");
  EXPECT_EQ(SenseOf(same(0, 1, kNoData)), kWriteProtected);
}

TEST_F(ScsiHd, UnmapTakesAListOfBlocks) {
  StartOne(",discard_granularity=4096", ",discard=unmap");
  const auto unmap = [](const std::string& list, int flags = 0, int length = -1) {
    const std::string data = BigEndian(static_cast<uint64_t>(6 + list.size()), 2) +
                             BigEndian(list.size(), 2) + std::string(4, '\0') + list;
    return std::pair(
        Cdb({0x42, flags, 0, 0, 0, 0, 0}) +
            BigEndian(static_cast<uint64_t>(length < 0 ? static_cast<int>(data.size()) : length),
                      2) +
            '\0',
        data);
  };
  const auto part = [](uint64_t lba, uint32_t count) {
    return BigEndian(lba, 8) + BigEndian(count, 4) + std::string(4, '\0');
  };
  const auto sense = [&](const std::pair<std::string, std::string>& command) {
    return SenseOf(command.first, command.second);
  };
  const auto blocks = [&] {
    struct stat status {};
    if (stat(File(0).c_str(), &status) != 0) ThrowErrno("stat");
    return status.st_blocks;
  };
  const auto all = blocks();
  EXPECT_EQ(sense(unmap(part(0, 256) + part(1024, 256))), 0u);
  EXPECT_EQ(sense(unmap("")), 0u) << "an empty list";
  EXPECT_EQ(sense(unmap(part(kSectors - 1, 1))), 0u);
  EXPECT_EQ(sense(unmap(part(kSectors, 1))), kOutOfRange);
  EXPECT_EQ(sense(unmap(part(kSectors - 1, 2))), kOutOfRange);
  EXPECT_EQ(sense(unmap(part(512, 8), 1)), kInvalidField) << "ANCHOR";
  EXPECT_EQ(sense(unmap(part(512, 8) + std::string(8, '\0'))), kInvalidParameterLength);
  std::pair<std::string, std::string> cut = unmap(part(512, 8), 0, 20);
  cut.second.resize(20);
  EXPECT_EQ(sense(cut), kInvalidParameterLength);
  cut = unmap("", 0, 7);
  cut.second.resize(7);
  EXPECT_EQ(sense(cut), kInvalidParameterLength);
  const std::string after = ReadFile(File(0));
  EXPECT_TRUE(after.substr(256 * kSector, 768 * kSector) ==
              disk.substr(256 * kSector, 768 * kSector));
  EXPECT_TRUE(after.substr(1280 * kSector, 700 * kSector) ==
              disk.substr(1280 * kSector, 700 * kSector));
  if (blocks() == all) GTEST_SKIP() << "this file system keeps the space of a hole";
  EXPECT_LE(blocks(), all - 2 * 248);
}

TEST_F(ScsiHd, ModePagesSayHowItCaches) {
  StartOne();
  // Six bytes of header, less four of it with the short command; a block descriptor; page 8.
  const std::string short_form = Get(Cdb({0x1a, 0, 8, 0, 255, 0}), 255);
  EXPECT_EQ(Hex(short_form.substr(0, 14)),
            "1f000008"
            "00000800"
            "00000200"
            "0812");
  EXPECT_EQ(short_form[14], 4) << "WCE";
  const std::string no_descriptor = Get(Cdb({0x1a, 8, 8, 0, 255, 0}), 255);
  EXPECT_EQ(Hex(no_descriptor.substr(0, 7)),
            "17000000"
            "081204");
  const std::string long_form = Get(Cdb({0x5a, 0, 8, 0, 0, 0, 0, 0, 255, 0}), 255);
  EXPECT_EQ(Hex(long_form.substr(0, 19)),
            "0022000000000008"
            "0000080000000200"
            "081204");
  EXPECT_EQ(Get(Cdb({0x1a, 8, 0x48, 0, 255, 0}), 255)[6], 4) << "WCE may be changed";
  EXPECT_EQ(Get(Cdb({0x1a, 8, 0x88, 0, 255, 0}), 255)[6], 4) << "its default";
  EXPECT_EQ(SenseOf(Cdb({0x1a, 8, 0xc8, 0, 255, 0}), "", 255), 0x053900u)
      << "saved values are not supported";
  const std::string error_page = Get(Cdb({0x1a, 8, 1, 0, 255, 0}), 255);
  EXPECT_EQ(Hex(error_page.substr(4, 3)), "010a80") << "AWRE";
  EXPECT_EQ(Hex(Get(Cdb({0x1a, 8, 4, 0, 255, 0}), 255).substr(4, 2)), "0416") << "geometry";
  EXPECT_EQ(SenseOf(Cdb({0x1a, 8, 0x0e, 0, 255, 0}), "", 255), kInvalidField)
      << "a page that a CD has";
  const std::string all = Get(Cdb({0x1a, 8, 0x3f, 0, 255, 0}), 255);
  std::vector<int> pages;
  for (size_t at = 4; at < static_cast<uint8_t>(all[0]) + 1u;
       at += 2 + static_cast<uint8_t>(all[at + 1]))
    pages.push_back(all[at]);
  EXPECT_EQ(pages, (std::vector<int>{1, 4, 5, 8}));
  StartOne(",write-cache=off");
  EXPECT_EQ(Get(Cdb({0x1a, 8, 8, 0, 255, 0}), 255)[6], 0);
  StartOne(",dpofua=on");
  EXPECT_EQ(Get(Cdb({0x1a, 8, 8, 0, 255, 0}), 255)[2], 0x10) << "DPOFUA";
}

TEST_F(ScsiHd, ModeSelectRefusesWhatItDoesNotKnow) {
  StartOne();
  const auto select = [&](const std::string& parameters, int flags = 0x10, int length = -1) {
    return SenseOf(
        Cdb({0x15, flags, 0, 0, length < 0 ? static_cast<int>(parameters.size()) : length, 0}),
        parameters);
  };
  std::string caching = Get(Cdb({0x1a, 8, 8, 0, 24, 0}), 24);
  caching[0] = 0;
  EXPECT_EQ(select(caching), 0u);
  EXPECT_EQ(select(caching, 0x00), kInvalidField) << "PF=0 with a page";
  EXPECT_EQ(select(caching, 0x11), kInvalidField) << "SP: nothing is saved";
  EXPECT_EQ(select(caching.substr(0, 20)), kInvalidParameterLength);
  EXPECT_EQ(select(caching.substr(0, 3)), kInvalidParameterLength);
  std::string other = caching;
  other[7] = 1;
  EXPECT_EQ(select(other), kInvalidParameter) << "a field that cannot be changed";
  other = caching;
  other[4] = 0x0e;
  EXPECT_EQ(select(other), kInvalidParameter) << "a page that it does not have";
  other = caching;
  other[3] = 4;
  EXPECT_EQ(select(other), kInvalidParameter) << "a block descriptor of no valid length";
  EXPECT_EQ(Get(Cdb({0x1a, 8, 8, 0, 255, 0}), 255)[6], 4);
}

class ScsiSync : public ScsiHd {
 protected:
  void SetUp() override { environment = fsync.Environment(); }
  /// The command is not done before the host's medium has what was written.
  void ExpectStableWhenDone(const std::string& cdb, const std::string& out = "", uint32_t in = 0) {
    const size_t before = fsync.Begun();
    fsync.Hold();
    const Posted posted = Post(lun, cdb, out, in);
    device->Notify(kRequests);
    fsync.WaitBegun(before + 1);
    EXPECT_FALSE(HoldsBefore(Deadline(Milliseconds(30)), [&] {
      return bool(queues[kRequests].Take());
    })) << "done while the host's disk is not";
    fsync.Release();
    EXPECT_EQ(Finish(posted).status, 0);
  }
  void WriteOne() { EXPECT_EQ(SenseOf(Write10(9, 1), std::string(kSector, 'w')), 0u); }

  SlowFsync fsync;
};

TEST_F(ScsiSync, SynchronizeCacheIsDoneWhenTheMediumHasIt) {
  StartOne();
  WriteOne();
  EXPECT_EQ(fsync.Begun(), 0u) << "a write alone goes to the cache";
  ExpectStableWhenDone(Cdb({0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
}

TEST_F(ScsiSync, FuaIsDoneWhenTheMediumHasIt) {
  StartOne();
  const std::string one(kSector, 'f');
  ExpectStableWhenDone(Write10(0, 1, 8), one);
  ExpectStableWhenDone(Cdb({0xaa, 8, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0}), one);
  ExpectStableWhenDone(Cdb({0x8a, 8, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0}), one);
  ExpectStableWhenDone(Cdb({0x2e, 0, 0, 0, 0, 3, 0, 0, 1, 0}), one);  // WRITE AND VERIFY
  WriteOne();
  ExpectStableWhenDone(Read10(0, 1, 8), "", kSector);  // what was cached before is written
}

TEST_F(ScsiSync, TheDriverSwitchesTheWriteCacheOff) {
  StartOne();
  std::string page = Get(Cdb({0x1a, 8, 8, 0, 24, 0}), 24);
  page[0] = 0;
  page[6] = 0;
  WriteOne();
  ExpectStableWhenDone(Cdb({0x15, 0x10, 0, 0, 24, 0}), page);
  EXPECT_EQ(Get(Cdb({0x1a, 8, 8, 0, 24, 0}), 24)[6], 0);
  ExpectStableWhenDone(Write10(0, 1), std::string(kSector, 'x'));
  page[6] = 4;
  EXPECT_EQ(SenseOf(Cdb({0x15, 0x10, 0, 0, 24, 0}), page), 0u);
  EXPECT_EQ(Get(Cdb({0x1a, 8, 8, 0, 24, 0}), 24)[6], 4);
  const size_t before = fsync.Begun();
  WriteOne();
  EXPECT_EQ(fsync.Begun(), before);
}

TEST_F(ScsiSync, AnErrorOfTheMediumIsSenseData) {
  StartOne(",werror=report");
  WriteOne();
  fsync.Fail();
  EXPECT_EQ(SenseOf(Cdb({0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0})), 0x0b0006u)
      << "aborted command: I/O process terminated";
  EXPECT_TRUE(Get(Read10(3, 1), kSector) == disk.substr(3 * kSector, kSector)) << "it goes on";
}

}  // namespace
}  // namespace stx
