// SPDX-License-Identifier: GPL-2.0-or-later
// Migrations that "succeed" but lose the guest, or a request of it.
//   PostcopyMemory   postcopy-memory-of-files.patch
//   IgnoreShared     migration-ignore-shared-named.patch
//   ScsiRequest      scsi-disk-migrated-request.patch

#include <gtest/gtest.h>
#include <linux/magic.h>
#include <sys/statfs.h>

#include <algorithm>
#include <cstring>
#include <iostream>
#include <thread>

#include "base/waiting.h"
#include "harness/qemu/machine_test.h"
#include "harness/qemu/migration.h"
#include "harness/virtio/virtio_pci.h"

namespace stx {
namespace {

constexpr Milliseconds kTimeout{20000};
constexpr uint64_t kAddress = 3 << 20;
constexpr char kBytes[] = "what the guest relies on";

/// A source and a target. The test is the guest.
class MigrationFaults : public testing::Test {
 protected:
  static QemuOptions Options(std::vector<std::string> args) {
    QemuOptions options;
    options.qtest = true;
    options.args = {"-m", "32M", "-nodefaults"};
    options.args.insert(options.args.end(), args.begin(), args.end());
    return options;
  }
  void StartSource(const std::vector<std::string>& args) {
    source.emplace(Options(args));
    source->qmp();
  }
  void StartTarget(std::vector<std::string> args) {
    args.insert(args.end(), {"-incoming", "defer"});
    target.emplace(Options(args));
    target->qmp();
  }
  /// Migrates; the guest is then in the target, running or stopped as before. Returns the stream.
  std::string Migrate() {
    const std::string stream = MigrateToBytes(*source);
    IncomingStream(*target).Finish(stream);
    WaitUntil("the target takes the stream", Deadline(kTimeout),
              [&] { return target->qmp().Execute("query-status")["status"] != "inmigrate"; });
    return stream;
  }
  static void Write(Qemu& qemu) { qemu.qtest().MemWrite(kAddress, kBytes, sizeof(kBytes)); }
  static std::string Read(Qemu& qemu) {
    const auto bytes = qemu.qtest().MemRead(kAddress, sizeof(kBytes));
    return std::string(bytes.begin(), bytes.end() - 1);
  }
  void TearDown() override {
    if (!HasFailure()) return;
    if (source) std::cerr << "source: " << source->Report() << "\n";
    if (target) std::cerr << "target: " << target->Report() << "\n";
  }

  TempDir dir{"migration"};
  std::optional<Qemu> source, target;
};

std::vector<std::string> Memory(const std::string& object) {
  return {"-object", object + ",id=ram,size=32M", "-machine", "memory-backend=ram"};
}

class PostcopyMemory : public MigrationFaults {
 protected:
  /// The target's error for the capability; "" if it accepts it.
  std::string GetRefusal() {
    try {
      SetMigrationCapability(target->qmp(), "postcopy-ram");
    } catch (const QmpError& error) {
      return error.desc();
    }
    return "";
  }
  /// A folder on a disk: in tmpfs, userfaultfd would work.
  static std::optional<TempDir> FolderOnADisk() {
    for (const char* parent : {"/var/tmp", "/tmp", "/root", "."}) {
      struct statfs what;
      if (statfs(parent, &what) == 0 && what.f_type != TMPFS_MAGIC && what.f_type != RAMFS_MAGIC)
        try {
          return TempDir("postcopy", parent);
        } catch (const std::system_error&) {
          // It cannot be created there.
        }
    }
    return std::nullopt;
  }
};

TEST_F(PostcopyMemory, OfAFileOnADiskIsRefusedAndAnOrdinaryMigrationArrives) {
  StartTarget(Memory("memory-backend-memfd,share=on"));
  if (const std::string why = GetRefusal(); !why.empty())
    GTEST_SKIP() << "no userfaultfd here: " << why;
  const auto disk = FolderOnADisk();
  if (!disk) GTEST_SKIP() << "every folder is in memory";
  for (const char* share : {"on", "off"}) {
    SCOPED_TRACE(share);
    const std::string path = ",mem-path=" + (*disk / ("ram-" + std::string(share))).string();
    StartTarget(Memory("memory-backend-file,share=" + std::string(share) + path));
    EXPECT_NE(GetRefusal(), "");
    EXPECT_NE(target->process().Stderr().find("RAM block ram"), std::string::npos);
    for (const json& capability : target->qmp().Execute("query-migrate-capabilities"))
      if (capability["capability"] == "postcopy-ram") {
        EXPECT_FALSE(capability["state"]);
      }
    StartSource(Memory("memory-backend-ram"));
    Write(*source);
    Migrate();
    EXPECT_EQ(Read(*target), kBytes);
  }
}

TEST_F(PostcopyMemory, OfTmpfsAndOfNoFileIsTaken) {
  struct statfs what;
  const bool tmpfs = statfs("/dev/shm", &what) == 0 && what.f_type == TMPFS_MAGIC;
  StartTarget(Memory("memory-backend-ram"));
  if (const std::string why = GetRefusal(); !why.empty())
    GTEST_SKIP() << "no userfaultfd here: " << why;
  if (!tmpfs) return;
  TempDir shm("postcopy", "/dev/shm");
  StartTarget(Memory("memory-backend-file,share=on,mem-path=" + (shm / "ram").string()));
  EXPECT_EQ(GetRefusal(), "");
}

class IgnoreShared : public MigrationFaults {
 protected:
  std::string MigrateIgnoring(const std::vector<std::string>& memory) {
    StartSource(memory);
    StartTarget(memory);
    SetMigrationCapability(source->qmp(), "x-ignore-shared");
    SetMigrationCapability(target->qmp(), "x-ignore-shared");
    Write(*source);
    return Migrate();
  }
};

TEST_F(IgnoreShared, MemoryWithoutANameIsSent) {
  const std::string folder = ",mem-path=" + dir.path().string();
  for (const std::string& object :
       {std::string("memory-backend-memfd"), std::string("memory-backend-ram"),
        "memory-backend-file" + folder}) {
    SCOPED_TRACE(object);
    MigrateIgnoring(Memory(object + ",share=on"));
    EXPECT_EQ(Read(*target), kBytes);
  }
}

TEST_F(IgnoreShared, MemoryOfANamedFileIsNot) {
  const std::string stream =
      MigrateIgnoring(Memory("memory-backend-file,share=on,mem-path=" + (dir / "ram").string()));
  EXPECT_EQ(Read(*target), kBytes);
  EXPECT_EQ(stream.find(kBytes), std::string::npos);
  EXPECT_EQ(ReadFile(dir / "ram").substr(kAddress, std::strlen(kBytes)), kBytes);
}

/// An emulated command with data, which fails on the source because space is exhausted.
struct ScsiCommand {
  const char* name;
  const char* io_type;  ///< of blkdebug
  std::string cdb;
  std::string data;
  std::string expected;  ///< of the 4 sectors from sector 8 on
};
void PrintTo(const ScsiCommand& command, std::ostream* out) { *out << command.name; }

std::string Pattern() {
  std::string sector;
  for (int i = 0; i < 512; ++i) sector += static_cast<char>(i * 7 + 1);
  return sector;
}
std::string Times4(const std::string& sector) { return sector + sector + sector + sector; }
/// WRITE SAME(16) and UNMAP (SBC-3, 5.42, 5.28) of 4 sectors from sector 8 on.
std::string WriteSame() { return std::string("\x93\0\0\0\0\0\0\0\0\x08\0\0\0\x04\0\0", 16); }
std::string Unmap() { return std::string("\x42\0\0\0\0\0\0\0\x18\0", 10); }
std::string UnmapList() {
  return std::string("\0\x16\0\x10\0\0\0\0\0\0\0\0\0\0\0\x08\0\0\0\x04\0\0\0\0", 24);
}

class ScsiRequest : public MigrationFaults, public testing::WithParamInterface<ScsiCommand> {
 protected:
  static constexpr uint16_t kCommands = 2;
  static constexpr size_t kDisk = 1 << 20;

  std::vector<std::string> Disk(const char* failing) const {
    json node{{"driver", "file"},
              {"filename", (dir / "disk").string()},
              {"locking", "off"},
              {"discard", "unmap"}};
    if (failing) {
      const json error{{"event", "none"}, {"iotype", failing}, {"errno", ENOSPC}};
      node = {{"driver", "blkdebug"},
              {"image", node},
              {"discard", "unmap"},
              {"inject-error", json::array({error})}};
    }
    node["node-name"] = "disk";
    return {"-machine",  "q35",
            "-blockdev", node.dump(),
            "-device",   "virtio-scsi-pci,id=scsi,disable-legacy=on,addr=5",
            "-device",   "scsi-hd,drive=disk,bus=scsi.0,werror=stop"};
  }
  void OpenDevice(Qemu& qemu) {
    PciBus bus(qemu.qtest());
    device.emplace(bus, bus.At(5));
  }
  /// Sends a command with `data` to write or `read` bytes to read (virtio 1.2, 5.6.6.1).
  void Send(QTest& qtest, const std::string& cdb, const std::string& data, uint32_t read = 0) {
    request = heap.Allocate(51);
    response = heap.Allocate(108);
    data_in = heap.Allocate(std::max<uint32_t>(read, 1));
    std::string header("\x01\0\x40\0\0\0\0\0", 8);
    header.resize(19);
    header += cdb;
    header.resize(51);
    qtest.MemWrite(request, header.data(), header.size());
    qtest.MemSet(response, 108, 0xff);
    std::vector<VirtqueueBuffer> chain{{request, 51, false}};
    if (!data.empty()) {
      const uint64_t at = heap.Allocate(data.size());
      qtest.MemWrite(at, data.data(), data.size());
      chain.push_back({at, static_cast<uint32_t>(data.size()), false});
    }
    chain.push_back({response, 108, true});
    if (read) chain.push_back({data_in, read, true});
    queue->Add(chain);
    device->Notify(kCommands);
  }
  /// Waits until the command completes, with response 0 and status GOOD.
  void ExpectGood(QTest& qtest) {
    queue->Wait(Deadline(kTimeout));
    EXPECT_EQ(qtest.ReadB(response + 11), 0) << "response";
    EXPECT_EQ(qtest.ReadB(response + 10), 0) << "status";
    EXPECT_EQ(qtest.ReadL(response + 4), 0u) << "residual";
  }

  GuestHeap heap{8 << 20, 16 << 20};
  std::optional<VirtioPciDevice> device;
  std::optional<Virtqueue> queue;
  uint64_t request = 0, response = 0, data_in = 0;
};

TEST_P(ScsiRequest, ThatFailedForWantOfSpaceIsDoneOnTheTarget) {
  const ScsiCommand& command = GetParam();
  const std::string before(kDisk, 'o');
  WriteFile(dir / "disk", before);
  StartSource(Disk(command.io_type));
  OpenDevice(*source);
  device->Negotiate(0);
  device->SetUpQueue(0, heap);
  device->SetUpQueue(1, heap);
  queue = device->SetUpQueue(kCommands, heap);
  device->SetDriverOk();
  Send(source->qtest(), std::string(6, '\0'), "");  // TEST UNIT READY takes the unit attention
  queue->Wait(Deadline(kTimeout));

  Send(source->qtest(), command.cdb, command.data);
  source->qmp().WaitEvent("STOP");
  ASSERT_EQ(source->qmp().Execute("query-status")["status"], "io-error");
  EXPECT_EQ(queue->Take(), std::nullopt);

  StartTarget(Disk(nullptr));
  Migrate();
  source.reset();
  OpenDevice(*target);
  queue->MoveTo(target->qtest());
  target->qmp().Execute("cont");
  ExpectGood(target->qtest());
  std::string after = before;
  after.replace(8 * 512, 4 * 512, command.expected);
  EXPECT_TRUE(ReadFile(dir / "disk") == after);

  // The disk still works: READ(10) of the same sectors.
  Send(target->qtest(), std::string("\x28\0\0\0\0\x08\0\0\x04\0", 10), "", 4 * 512);
  ExpectGood(target->qtest());
  const auto read = target->qtest().MemRead(data_in, 4 * 512);
  EXPECT_TRUE(std::string(read.begin(), read.end()) == command.expected);
}

INSTANTIATE_TEST_SUITE_P(
    Command, ScsiRequest,
    testing::Values(ScsiCommand{"WriteSame", "write", WriteSame(), Pattern(), Times4(Pattern())},
                    ScsiCommand{"WriteSameZeroes", "write-zeroes", WriteSame(),
                                std::string(512, '\0'), std::string(2048, '\0')},
                    ScsiCommand{"Unmap", "discard", Unmap(), UnmapList(), std::string(2048, '\0')}),
    [](const auto& command) { return std::string(command.param.name); });

}  // namespace
}  // namespace stx
