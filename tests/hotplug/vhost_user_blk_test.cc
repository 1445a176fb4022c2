// SPDX-License-Identifier: GPL-2.0-or-later
// Disks of another process: vhost-user-blk-pci, hot-plugged as Kata does it, with an export of the
// tree's qemu-storage-daemon ($STORAGE_DAEMON).

#include <gtest/gtest.h>
#include <poll.h>

#include <future>

#include "base/waiting.h"
#include "harness/virtio/disk.h"
#include "kata/qmp_calls.h"
#include "kata/qtest_pod.h"

namespace stx {
namespace {

constexpr uint64_t kDiskBytes = 8 << 20;

class VhostUserBlk : public testing::Test {
 protected:
  void SetUp() override {
    Covers({"2.2 vhost-user-blk"});
    daemon_path = EnvOr("STORAGE_DAEMON", "");
    if (!std::filesystem::exists(daemon_path))
      GTEST_SKIP() << "no qemu-storage-daemon at $STORAGE_DAEMON (profile host)";
    WriteFile(dir / "disk", std::string(kDiskBytes, '\0'));
  }

  void StartDaemon() {
    const std::string disk = dir / "disk", socket = dir / "blk.sock";
    std::filesystem::remove(socket);
    daemon = Process(
        {daemon_path, "--blockdev", "driver=file,node-name=disk,filename=" + disk, "--export",
         "type=vhost-user-blk,id=export,node-name=disk,writable=on,num-queues=2,"
         "addr.type=unix,addr.path=" +
             socket},
        {});
    WaitUntil("the socket of qemu-storage-daemon", Deadline(QtestPod::kWait), [&] {
      if (!daemon.Running()) throw std::runtime_error("qemu-storage-daemon: " + daemon.Stderr());
      return std::filesystem::exists(socket);
    });
  }

  void AddChardev(int reconnect) {
    pod->qmp().Execute("chardev-add", MakeSocketChardev("char-blk", dir / "blk.sock", reconnect));
  }
  void AddDevice() { pod->Add(MakeVhostUserBlk("blk1", "char-blk"), "pci-bridge-0", 2); }
  void RemoveAll() {
    pod->Remove("virtio-blk1", "pci-bridge-0", 2);
    pod->qmp().Execute("chardev-remove", {{"id", "char-blk"}});
  }
  /// Writes and reads all over the disk, and compares with the file.
  void Exercise(char mark) {
    auto disk = OpenVirtioBlk(pod->bridge(), 2, pod->heap());
    EXPECT_EQ(disk->Sectors(), kDiskBytes / Disk::kSector);
    for (uint64_t sector : {uint64_t{0}, uint64_t{2047}, disk->Sectors() - 8}) {
      const std::string bytes =
          std::string(1, mark) + std::to_string(sector) + std::string(4096 - 32, mark);
      std::string data = bytes;
      data.resize(4096, 'e');
      disk->Write(sector, data);
      EXPECT_TRUE(disk->Read(sector, 4096) == data) << sector;
      disk->Flush();
      EXPECT_TRUE(ReadFile(dir / "disk").compare(sector * Disk::kSector, 4096, data) == 0)
          << "the file at sector " << sector;
    }
  }

  TempDir dir;
  std::string daemon_path;
  Process daemon;
  std::optional<QtestPod> pod{std::in_place};
};

TEST_F(VhostUserBlk, BytesAreTheFilesAndItComesAndGoes) {
  Covers({"2.1 device_del"});
  for (char mark : {'a', 'b', 'c'}) {
    StartDaemon();
    AddChardev(0);
    AddDevice();
    Exercise(mark);
    RemoveAll();
  }
}

TEST_F(VhostUserBlk, AnAddWithoutServerIsRefusedAndLeavesNothing) {
  Covers({"2.1 errors"});
  EXPECT_NE(pod->GetRefusal("chardev-add", MakeSocketChardev("char-blk", dir / "none"))
                .find("Failed to connect"),
            std::string::npos);
  StartDaemon();
  AddChardev(0);
  AddDevice();
  Exercise('x');
}

// With reconnect, device_add waits for the server, and so does the main loop, until the server
// starts.
TEST_F(VhostUserBlk, WithReconnectAnAddWaitsForItsServer) {
  Covers({"2.2 vhost-user-blk-reconnect"});
  AddChardev(1);
  auto added = std::async(std::launch::async, [this] { AddDevice(); });
  EXPECT_EQ(added.wait_for(Milliseconds(500)), std::future_status::timeout) << "it does not wait";
  StartDaemon();
  ASSERT_NO_THROW(added.get());
  Exercise('r');
  RemoveAll();
}

TEST_F(VhostUserBlk, ADaemonThatWasKilledIsFoundAgain) {
  Covers({"2.2 vhost-user-blk-reconnect"});
  StartDaemon();
  AddChardev(1);
  AddDevice();
  Exercise('1');
  daemon.Kill();
  EXPECT_EQ(pod->qmp().Execute("query-status")["status"], "running");
  StartDaemon();
  // The chardev tries once per second.
  WaitUntil("the chardev is connected again", Deadline(QtestPod::kWait), [&] {
    for (const json& chardev : pod->qmp().Execute("query-chardev"))
      if (chardev["label"] == "char-blk")
        return chardev["filename"].get<std::string>().find("disconnected") == std::string::npos;
    return false;
  });
  Exercise('2');
  RemoveAll();
}

TEST_F(VhostUserBlk, ADaemonThatWasKilledCanBeUnplugged) {
  Covers({"2.1 device_del"});
  StartDaemon();
  AddChardev(0);
  AddDevice();
  Exercise('1');
  daemon.Kill();
  EXPECT_EQ(pod->qmp().Execute("query-status")["status"], "running");
  RemoveAll();
}

}  // namespace
}  // namespace stx
