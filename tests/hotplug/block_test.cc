// SPDX-License-Identifier: GPL-2.0-or-later
// Hot-plugged disks as Kata plugs them (contract 2.2): a block device of the host behind
// host_device, with each aio and cache setting, as scsi-hd and as virtio-blk; a swap file;
// vhost-user-blk. What the guest writes arrives on the host, and vice versa.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/pattern.h"
#include "base/throws.h"
#include "harness/host/loop_device.h"
#include "harness/host/threads.h"
#include "harness/virtio/disk.h"
#include "kata/qmp_calls.h"
#include "kata/qtest_pod.h"

namespace stx {
namespace {

constexpr uint64_t kDiskBytes = 16 << 20;

std::string ReadRange(const std::filesystem::path& path, uint64_t at, size_t size) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string bytes(size, '\0');
  if (pread(fd.get(), bytes.data(), size, static_cast<off_t>(at)) != static_cast<ssize_t>(size))
    ThrowErrno(path.string());
  return bytes;
}

/// Requests of different sizes all over the disk, up to its last sector, compared with the host's
/// file.
void Exercise(Disk& disk, const std::filesystem::path& file) {
  ASSERT_EQ(disk.Sectors(), kDiskBytes / Disk::kSector);
  const std::string before = MakePattern(4096, 99);
  EXPECT_TRUE(disk.Read(8, 4096) == before) << "what the host had put there";
  struct {
    uint64_t sector;
    size_t bytes;
  } const writes[] = {{0, 512},
                      {1, 4096},
                      {63, 512},
                      {1024, 65536},
                      {2048, 1 << 20},
                      {kDiskBytes / Disk::kSector - 1, 512},
                      {kDiskBytes / Disk::kSector - 256, 131072 - 512}};
  uint64_t seed = 0;
  for (const auto& [sector, bytes] : writes) {
    const std::string data = MakePattern(bytes, ++seed);
    disk.Write(sector, data);
    EXPECT_TRUE(disk.Read(sector, static_cast<uint32_t>(bytes)) == data) << sector;
    disk.Flush();
    EXPECT_TRUE(ReadRange(file, sector * Disk::kSector, bytes) == data)
        << "sector " << sector << " on the host";
  }
  EXPECT_TRUE(
      Throws<DiskError>(disk.PastTheEnd(), [&] { disk.Read(kDiskBytes / Disk::kSector, 512); }));
}

/// A file of the host and, if available, a loop device on it.
class DiskFile {
 public:
  DiskFile() : file(dir_ / "disk") {
    std::string bytes(kDiskBytes, '\0');
    bytes.replace(4096, 4096, MakePattern(4096, 99));
    WriteFile(file, bytes);
  }

 private:
  TempDir dir_{"disk"};

 public:
  const std::filesystem::path file;
};

json MakeNode(const std::string& driver, const std::filesystem::path& path,
              const std::string& aio = "threads", const json& cache = nullptr) {
  return MakeBlockNode(
      {.id = "drive-1", .path = path, .driver = driver, .aio = aio, .cache = cache});
}

struct BlockMode {
  const char* driver;  ///< scsi-hd or virtio-blk-pci
  const char* aio;
  /// null if not sent; otherwise what Kata's block_device_cache_* set
  json cache;
};

void PrintTo(const BlockMode& mode, std::ostream* out) {
  *out << mode.driver << " " << mode.aio << " " << mode.cache.dump();
}

class Block : public testing::TestWithParam<BlockMode> {};

TEST_P(Block, BytesAreTheHostsAndItComesBack) {
  const BlockMode& mode = GetParam();
  const bool scsi = mode.driver == std::string("scsi-hd");
  Covers({"2.2 block-add", scsi ? "2.2 block-scsi" : "2.2 block-virtio", "2.2 block-remove",
          "2.1 device_del"});
  DiskFile disk_file;
  std::string why_not;
  auto loop = LoopDevice::Make(disk_file.file, &why_not);
  if (!loop) GTEST_SKIP() << "no loop device: " << why_not;
  QtestPod pod;
  std::optional<ScsiController> controller;
  if (scsi) controller.emplace(pod.root(), pod.FindSlot("scsi0"), pod.heap());
  const json node = MakeNode("host_device", loop->path(), mode.aio, mode.cache);
  for (int round = 0; round < 2; ++round) {
    pod.qmp().Execute("blockdev-add", node);
    std::unique_ptr<Disk> disk;
    if (scsi) {
      pod.qmp().Execute("device_add", MakeScsiDisk("drive-1", 256 + 3));
      disk = controller->Open(1, 3);
    } else {
      pod.Add(MakeVirtioBlk("drive-1", 2), "pci-bridge-0", 1);
      disk = OpenVirtioBlk(pod.bridge(), 1, pod.heap());
    }
    if (round == 0) {
      Exercise(*disk, loop->path());
    } else {
      EXPECT_TRUE(disk->Read(0, 512) == MakePattern(512, 1)) << "what was written before";
    }
    if (scsi) {
      pod.qmp().Execute("device_del", {{"id", "virtio-drive-1"}});
      pod.WaitDeleted("virtio-drive-1");
    } else {
      pod.Remove("virtio-drive-1", "pci-bridge-0", 1);
    }
    pod.qmp().Execute("blockdev-del", {{"node-name", "drive-1"}});
  }
}

std::vector<BlockMode> BlockModes() {
  std::vector<BlockMode> modes;
  for (const char* driver : {"scsi-hd", "virtio-blk-pci"}) {
    for (const char* aio : {"io_uring", "threads"}) modes.push_back({driver, aio, nullptr});
    for (const char* aio : {"io_uring", "native", "threads"})
      for (bool no_flush : {false, true})
        modes.push_back({driver, aio, {{"direct", true}, {"no-flush", no_flush}}});
    modes.push_back({driver, "threads", {{"direct", false}, {"no-flush", true}}});
  }
  return modes;
}

INSTANTIATE_TEST_SUITE_P(Modes, Block, testing::ValuesIn(BlockModes()), [](const auto& info) {
  std::string name = info.param.driver + std::string("_") + info.param.aio;
  if (!info.param.cache.is_null())
    name += std::string("_") + (info.param.cache["direct"] ? "direct" : "cached") +
            (info.param.cache["no-flush"] ? "_noflush" : "");
  std::erase(name, '-');
  return name;
});

TEST(BlockAdd, NativeAioWithoutDirectIsRefused) {
  Covers({"2.2 block-add"});
  DiskFile disk_file;
  std::string why_not;
  auto loop = LoopDevice::Make(disk_file.file, &why_not);
  if (!loop) GTEST_SKIP() << "no loop device: " << why_not;
  QtestPod pod;
  EXPECT_NE(pod.GetRefusal("blockdev-add", MakeNode("host_device", loop->path(), "native"))
                .find("aio=native was specified, but it requires cache.direct=on"),
            std::string::npos);
}

TEST(BlockAdd, HostDeviceRefusesARegularFileAndAMissingOne) {
  Covers({"2.2 block-add", "2.1 errors"});
  DiskFile disk_file;
  QtestPod pod;
  EXPECT_NE(pod.GetRefusal("blockdev-add", MakeNode("host_device", disk_file.file)), "");
  EXPECT_NE(pod.GetRefusal("blockdev-add", MakeNode("host_device", "/dev/none"))
                .find("No such file or directory"),
            std::string::npos);
  // Neither failure left the name in use.
  pod.qmp().Execute("blockdev-add", MakeNode("file", disk_file.file));
}

TEST(BlockAdd, ASwapFileIsARegularFile) {
  Covers({"2.2 block-swap", "2.2 block-virtio"});
  DiskFile disk_file;
  QtestPod pod;
  pod.qmp().Execute("blockdev-add", MakeNode("file", disk_file.file, "threads",
                                             {{"direct", false}, {"no-flush", false}}));
  pod.Add(MakeVirtioBlk("drive-1", 1), "pci-bridge-0", kLastBridgeSlot);
  Exercise(*OpenVirtioBlk(pod.bridge(), kLastBridgeSlot, pod.heap()), disk_file.file);
}

TEST(BlockAdd, AReadOnlyDiskRefusesWrites) {
  Covers({"2.2 block-add"});
  DiskFile disk_file;
  QtestPod pod;
  json node = MakeNode("file", disk_file.file);
  node["read-only"] = true;
  pod.qmp().Execute("blockdev-add", node);
  pod.Add(MakeVirtioBlk("drive-1", 1), "pci-bridge-0", 4);
  auto disk = OpenVirtioBlk(pod.bridge(), 4, pod.heap());
  EXPECT_TRUE(disk->Read(8, 4096) == MakePattern(4096, 99));
  EXPECT_TRUE(Throws<DiskError>("request 1 ends in status 1",
                                [&] { disk->Write(0, std::string(512, 'x')); }));
  EXPECT_TRUE(ReadRange(disk_file.file, 0, 512) == std::string(512, '\0'));
}

TEST(BlockAdd, NumQueuesAsTextGivesThatManyQueues) {
  Covers({"2.2 block-virtio"});
  DiskFile disk_file;
  QtestPod pod;
  pod.qmp().Execute("blockdev-add", MakeNode("file", disk_file.file));
  pod.Add(MakeVirtioBlk("drive-1", 4), "pci-bridge-0", 1);
  VirtioPciDevice device(pod.bridge(), pod.bridge().At(1));
  EXPECT_EQ(device.QueueCount(), 4);
}

TEST(BlockAdd, ADiskInUseKeepsItsNode) {
  Covers({"2.2 block-remove"});
  DiskFile disk_file;
  QtestPod pod;
  pod.qmp().Execute("blockdev-add", MakeNode("file", disk_file.file));
  pod.Add(MakeVirtioBlk("drive-1", 1), "pci-bridge-0", 1);
  EXPECT_NE(pod.GetRefusal("blockdev-del", {{"node-name", "drive-1"}}).find("in use"),
            std::string::npos);
  pod.Remove("virtio-drive-1", "pci-bridge-0", 1);
  EXPECT_EQ(pod.GetRefusal("blockdev-del", {{"node-name", "drive-1"}}), "");
}

TEST(BlockScsi, LunsOfTwoTargetsKeepTheirBytesApart) {
  Covers({"2.2 block-scsi"});
  QtestPod pod;
  ScsiController controller(pod.root(), pod.FindSlot("scsi0"), pod.heap());
  std::vector<std::unique_ptr<DiskFile>> files;
  // Kata's numbers: target index / 256, unit index % 256.
  for (int index : {0, 1, 255, 256, 257}) {
    files.push_back(std::make_unique<DiskFile>());
    const std::string name = "drive-" + std::to_string(index);
    json node = MakeNode("file", files.back()->file);
    node["node-name"] = name;
    pod.qmp().Execute("blockdev-add", node);
    pod.qmp().Execute("device_add", MakeScsiDisk(name, index));
  }
  size_t i = 0;
  for (int index : {0, 1, 255, 256, 257}) {
    auto disk =
        controller.Open(static_cast<uint8_t>(index / 256), static_cast<uint16_t>(index % 256));
    disk->Write(7, MakePattern(1024, index));
    disk->Flush();
    EXPECT_TRUE(ReadRange(files[i++]->file, 7 * 512, 1024) == MakePattern(1024, index)) << index;
  }
}

TEST(BlockScsi, AnIothreadServesTheController) {
  Covers({"1.2 enable_iothreads", "2.2 block-scsi"});
  QtestPodOptions options;
  options.edits = {Substitute("-device virtio-scsi", "disable-modern=false",
                              "disable-modern=false,iothread=iothread-1"),
                   Add("-object iothread,id=iothread-1")};
  QtestPod pod(std::move(options));
  const json threads = pod.qmp().Execute("query-iothreads");
  ASSERT_EQ(threads.size(), 1u);
  bool found = false;
  for (const ThreadInfo& thread : ReadThreads(pod.qemu().process().pid()))
    found |= thread.tid == threads[0]["thread-id"];
  EXPECT_TRUE(found) << threads.dump();
  DiskFile disk_file;
  pod.qmp().Execute("blockdev-add", MakeNode("file", disk_file.file));
  pod.qmp().Execute("device_add", MakeScsiDisk("drive-1", 0));
  ScsiController controller(pod.root(), pod.FindSlot("scsi0"), pod.heap());
  Exercise(*controller.Open(0, 0), disk_file.file);
  pod.qmp().Execute("device_del", {{"id", "virtio-drive-1"}});
  pod.WaitDeleted("virtio-drive-1");
}

}  // namespace
}  // namespace stx
