// SPDX-License-Identifier: GPL-2.0-or-later
// What each command does to the blocks of a scsi-hd (SBC-3), and which sense data refuses it.

#include <sys/stat.h>

#include "virtio/scsi_disk_fixture.h"

namespace stx {
namespace {

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

}  // namespace
}  // namespace stx
