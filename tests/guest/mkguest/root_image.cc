// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/mkguest/root_image.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <stdexcept>

#include "base/os.h"
#include "base/process.h"

namespace stx {
namespace fs = std::filesystem;

namespace {

// Constant, so that the same tree makes the same bytes.
constexpr const char* kFilesystemUuid = "5f7d6c1e-0a54-4c39-9d7b-2b1c8f0e6a41";
constexpr std::string_view kPfnUuid(
    "\x8e\x1f\x52\x0b\x6d\x3c\x4a\x77\xb9\x05\xc4\x21\xfe\x98\x10\x33", 16);
constexpr const char* kTime = "1577836800";  // 2020-01-01; to e2fsprogs, 0 means "not set"
constexpr Milliseconds kToolTimeout{60000};

void Put(char* at, uint64_t value, size_t width) {
  for (size_t i = 0; i < width; i++) at[i] = static_cast<char>(value >> (8 * i));
}

void WriteAt(int fd, std::string_view bytes, uint64_t offset) {
  if (pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset)) !=
      static_cast<ssize_t>(bytes.size()))
    ThrowErrno("cannot write the image");
}

RunResult RunTool(std::vector<std::string> argv) {
  SpawnOptions options;
  options.environment = {std::string("E2FSPROGS_FAKE_TIME=") + kTime,
                         std::string("SOURCE_DATE_EPOCH=") + kTime, "MKE2FS_CONFIG=/dev/null",
                         "LC_ALL=C"};
  // Debian installs both tools where a user's PATH may not look.
  argv[0] = "/sbin/" + argv[0];
  RunResult result = Run(argv, kToolTimeout, options);
  if (!result.status.Success())
    throw std::runtime_error(argv[0] + ": " + result.status.ToString() + ": " + result.err);
  return result;
}

void MakeFilesystem(const fs::path& path) {
  RunTool({"mke2fs",
           "-q",
           "-F",
           "-t",
           "ext4",
           "-b",
           "4096",
           "-I",
           "256",
           "-N",
           "1024",
           "-m",
           "0",
           "-J",
           "size=4",
           "-L",
           "stx-guest",
           "-U",
           kFilesystemUuid,
           "-O",
           "none,has_journal,extent,filetype,sparse_super,large_file,dir_index,extra_isize",
           "-E",
           "offset=" + std::to_string(kPartition) + ",hash_seed=" + kFilesystemUuid +
               ",root_owner=0:0,nodiscard,lazy_itable_init=1,lazy_journal_init=1",
           path,
           std::to_string((kImageBytes - kPartition) / 1024) + "k"});
}

/// debugfs and not "mke2fs -d", which copies the owners and change times that files have on this
/// machine, in the order in which its file system lists them.
void Populate(const std::vector<GuestFile>& tree, const fs::path& path) {
  TempDir staging("mkguest");
  std::string script;
  int number = 0;
  auto times = {"atime", "ctime", "mtime", "crtime"};
  for (const GuestFile& node : tree) {
    fs::path in_guest("/" + node.path);
    std::string name = in_guest.filename();
    script += "cd " + in_guest.parent_path().string() + "\n";
    if (node.kind == GuestFile::kFolder) script += "mkdir " + name + "\n";
    if (node.kind == GuestFile::kLink) script += "symlink " + name + " " + node.content + "\n";
    if (node.kind == GuestFile::kFile) {
      fs::path file = staging / std::to_string(number++);
      WriteFile(file, node.content);
      script += "write " + file.string() + " " + name + "\n";
    }
    std::string type = node.kind == GuestFile::kFolder ? "04"
                       : node.kind == GuestFile::kLink ? "012"
                                                       : "010";
    std::array<char, 16> mode;
    snprintf(mode.data(), mode.size(), "%s0%03o", type.c_str(),
             node.kind == GuestFile::kLink ? 0777u : node.mode);
    script += "sif " + name + " mode " + mode.data() + "\n";
    script += "sif " + name + " uid 0\nsif " + name + " gid 0\n";
    for (const char* time : times) script += "sif " + name + " " + time + " @" + kTime + "\n";
  }
  WriteFile(staging / "script", script);
  RunResult result = RunTool({"debugfs", "-w", "-f", staging / "script",
                              path.string() + "?offset=" + std::to_string(kPartition)});
  // debugfs exits with 0 even if its commands fail. Its first line is its version.
  size_t banner = result.err.find('\n');
  if (banner != std::string::npos && banner + 1 < result.err.size())
    throw std::runtime_error("cannot fill the root image: " + result.err.substr(banner + 1));
}

}  // namespace

uint64_t ComputeFletcher64(std::string_view bytes) {
  uint32_t low = 0;
  uint64_t high = 0;
  for (size_t at = 0; at + 4 <= bytes.size(); at += 4) {
    uint32_t word = 0;
    for (size_t i = 0; i < 4; i++)
      word |= static_cast<uint32_t>(static_cast<uint8_t>(bytes[at + i])) << (8 * i);
    low += word;
    high += low;
  }
  return high << 32 | low;
}

std::array<char, 4096> MakePfnInfoBlock() {
  std::array<char, 4096> block{};
  std::memcpy(block.data(), "NVDIMM_PFN_INFO", 16);
  std::memcpy(block.data() + 16, kPfnUuid.data(), kPfnUuid.size());
  // 32: the parent's uuid, all zero for a namespace without labels; 48: flags.
  Put(block.data() + 52, 1, 2);  // version_major
  Put(block.data() + 54, 4, 2);  // version_minor
  Put(block.data() + 56, kPmemData, 8);
  Put(block.data() + 64, (kImageBytes - kPmemData) / 4096, 8);  // npfns
  Put(block.data() + 72, 1, 4);                                 // mode: struct pages in RAM
  Put(block.data() + 84, 2 * kMiB, 4);                          // align; no padding at 76 and 80
  Put(block.data() + 88, 4096, 4);                              // page_size
  Put(block.data() + 92, 64, 2);                                // page_struct_size
  Put(block.data() + 4088, ComputeFletcher64({block.data(), block.size()}), 8);
  return block;
}

std::array<char, 512> MakeMasterBootRecord(uint64_t start, uint64_t length) {
  std::array<char, 512> sector{};
  char* entry = sector.data() + 446;
  // The cylinder-head-sector values that mean "use the LBA fields".
  std::memcpy(entry + 1, "\xfe\xff\xff", 3);
  entry[4] = static_cast<char>(0x83);  // Linux
  std::memcpy(entry + 5, "\xfe\xff\xff", 3);
  Put(entry + 8, start / 512, 4);
  Put(entry + 12, length / 512, 4);
  Put(sector.data() + 510, 0xaa55, 2);
  return sector;
}

void WriteRootImage(const std::vector<GuestFile>& tree, const fs::path& path) {
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd || ftruncate(fd.get(), static_cast<off_t>(kImageBytes)) < 0)
    ThrowErrno("cannot make " + path.string());
  MakeFilesystem(path);
  Populate(tree, path);
  auto outer = MakeMasterBootRecord(kPartition, kImageBytes - kPartition);
  auto inner = MakeMasterBootRecord(kPartition - kPmemData, kImageBytes - kPartition);
  auto info = MakePfnInfoBlock();
  WriteAt(fd.get(), {outer.data(), outer.size()}, 0);
  WriteAt(fd.get(), {info.data(), info.size()}, kPfnInfo);
  WriteAt(fd.get(), {inner.data(), inner.size()}, kPmemData);
}

}  // namespace stx
