// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/mkguest/root_image.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/os.h"
#include "base/process.h"
#include "base/waiting.h"

namespace stx {
namespace {

uint64_t Get(std::string_view bytes, size_t at, size_t width) {
  uint64_t value = 0;
  for (size_t i = 0; i < width; i++)
    value |= static_cast<uint64_t>(static_cast<uint8_t>(bytes[at + i])) << (8 * i);
  return value;
}

/// A few files, without guestd, because the content does not matter to the image.
std::vector<GuestFile> MakeSmallTree(const std::string& id) {
  return {{"sbin", GuestFile::kFolder, ""},
          {"share", GuestFile::kFolder, ""},
          {"sbin/init", GuestFile::kFile, std::string(300000, 'i')},
          {"sbin/sh", GuestFile::kLink, "init"},
          {"guest-id", GuestFile::kFile, id, 0644}};
}

std::string MakeImage(const TempDir& dir, const std::string& id) {
  WriteFile(dir / "root.img", "");
  WriteRootImage(MakeSmallTree(id), dir / "root.img");
  return ReadFile(dir / "root.img");
}

TEST(RootImage, Fletcher64CountsAsTheKernelDoes) {
  // Words 1, 2, 3: sums 1, 3, 6; sums of sums 1, 4, 10.
  EXPECT_EQ(ComputeFletcher64(std::string_view("\1\0\0\0\2\0\0\0\3\0\0\0", 12)), 10ull << 32 | 6);
  // The low sum wraps at 32 bits; the wrapped value is added to the high sum.
  EXPECT_EQ(ComputeFletcher64(std::string_view("\xff\xff\xff\xff\2\0\0\0", 8)), 0ull << 32 | 1);
}

TEST(RootImage, PfnInfoIsVersion14WithDataAt2MiB) {
  auto array = MakePfnInfoBlock();
  std::string block(array.data(), array.size());
  EXPECT_EQ(block.substr(0, 16), std::string("NVDIMM_PFN_INFO\0", 16));
  EXPECT_NE(block.substr(16, 16), std::string(16, '\0')) << "uuid";
  EXPECT_EQ(block.substr(32, 16), std::string(16, '\0')) << "parent_uuid";
  EXPECT_EQ(Get(block, 48, 4), 0u) << "flags";
  EXPECT_EQ(Get(block, 52, 2), 1u) << "major";
  EXPECT_EQ(Get(block, 54, 2), 4u) << "minor";
  EXPECT_EQ(Get(block, 56, 8), 2 * kMiB) << "dataoff";
  EXPECT_EQ(Get(block, 64, 8), (kImageBytes - 2 * kMiB) / 4096) << "npfns";
  EXPECT_EQ(Get(block, 72, 4), 1u) << "mode";
  EXPECT_EQ(Get(block, 76, 8), 0u) << "start_pad, end_trunc";
  EXPECT_EQ(Get(block, 84, 4), 2 * kMiB) << "align";
  EXPECT_EQ(Get(block, 88, 4), 4096u) << "page_size";
  EXPECT_EQ(Get(block, 92, 2), 64u) << "page_struct_size";
  uint64_t checksum = Get(block, 4088, 8);
  block.replace(4088, 8, 8, '\0');
  EXPECT_EQ(checksum, ComputeFletcher64(block));
}

TEST(RootImage, BothPartitionTablesNameTheSameBytes) {
  TempDir dir;
  std::string image = MakeImage(dir, "one");
  ASSERT_EQ(image.size(), 128 * kMiB);
  std::string_view outer(image), inner = outer.substr(2 * kMiB);
  for (std::string_view disk : {outer, inner}) {
    EXPECT_EQ(Get(disk, 510, 2), 0xaa55u);
    EXPECT_EQ(Get(disk, 446 + 4, 1), 0x83u);
    EXPECT_EQ(Get(disk, 446 + 12, 4) * 512, 125 * kMiB);
    EXPECT_EQ(Get(disk, 446 + 16, 4), 0u) << "a second partition";
  }
  EXPECT_EQ(Get(outer, 446 + 8, 4) * 512, 3 * kMiB);
  EXPECT_EQ(Get(inner, 446 + 8, 4) * 512, 1 * kMiB);
  EXPECT_EQ(Get(outer, 3 * kMiB + 1024 + 56, 2), 0xef53u) << "ext4's magic";
  EXPECT_EQ(Get(outer, 3 * kMiB + 1024 + 24, 4), 2u) << "blocks of 4 KiB";
  EXPECT_EQ(Get(outer, 3 * kMiB + 1024 + 92, 4) & 4, 4u) << "a journal, for data=ordered";
  EXPECT_EQ(outer.substr(kPfnInfo, 15), "NVDIMM_PFN_INFO");
}

TEST(RootImage, FilesystemIsCleanAndHoldsTheTree) {
  TempDir dir;
  MakeImage(dir, "a marker\n");
  std::string at = (dir / "root.img").string() + "?offset=" + std::to_string(kPartition);
  RunResult check = stx::Run({"/sbin/e2fsck", "-f", "-n", at}, Milliseconds(20000));
  EXPECT_TRUE(check.status.Success()) << check.out << check.err;
  auto debugfs = [&](const std::string& command) {
    SpawnOptions options;
    options.stdout_file = dir / "out";
    stx::Run({"/sbin/debugfs", "-R", command, at}, Milliseconds(20000), options);
    return ReadFile(dir / "out");
  };
  EXPECT_EQ(debugfs("cat /guest-id"), "a marker\n");
  EXPECT_EQ(debugfs("cat /sbin/init"), std::string(300000, 'i'));
  std::string program = debugfs("stat /sbin/init");
  EXPECT_NE(program.find("Mode:  0755"), std::string::npos) << program;
  EXPECT_NE(program.find("User:     0   Group:     0"), std::string::npos) << program;
  EXPECT_NE(debugfs("stat /sbin/sh").find("Fast link dest: \"init\""), std::string::npos);
}

TEST(RootImage, SameTreeMakesTheSameSparseBytes) {
  TempDir one, two;
  std::string first = MakeImage(one, "id");
  // If the clock leaks into the image, the second image differs.
  const time_t begun = time(nullptr);
  WaitUntil("the next second", Deadline(Milliseconds(5000)), [&] { return time(nullptr) > begun; });
  EXPECT_TRUE(first == MakeImage(two, "id"));
  EXPECT_FALSE(first == MakeImage(two, "other"));
  struct stat status {};
  ASSERT_EQ(stat((one / "root.img").c_str(), &status), 0);
  EXPECT_LT(static_cast<uint64_t>(status.st_blocks) * 512, 16 * kMiB);
}

TEST(RootImage, TreeThatDoesNotFitIsRefused) {
  TempDir dir;
  WriteFile(dir / "root.img", "");
  std::vector<GuestFile> tree{{"big", GuestFile::kFile, std::string(130 * kMiB, 'b')}};
  EXPECT_THROW(WriteRootImage(tree, dir / "root.img"), std::runtime_error);
}

}  // namespace
}  // namespace stx
