// SPDX-License-Identifier: GPL-2.0-or-later
// Monitor commands that the schema allows and that ended QEMU; scripts/fuzz found them.
//   BlockdevReopen  blockdev-reopen-nothing.patch
//   Transaction     transaction-absent-bitmap.patch
//   Inactive        inactive-nodes-again.patch
//   MemorySize      ram-block-without-room.patch
//   XenLoad         xen-load-yank.patch
//   BusName         bus-named-as-a-property.patch
//   CryptodevQueues cryptodev-queue-count.patch
//   TapQueues       net-tap-no-queue.patch
//   ConsoleSize     vc-size.patch

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/waiting.h"
#include "harness/qemu/device_types.h"
#include "harness/qemu/machine_test.h"
#include "harness/qemu/migration.h"
#include "harness/virtio/virtio_pci.h"

namespace stx {
namespace {

constexpr Milliseconds kTimeout{20000};

class MonitorInput : public MachineTest {
 protected:
  /// The text of the command's error; empty if it succeeds.
  std::string GetRefusal(const std::string& command, const json& arguments) {
    try {
      qmp().Execute(command, arguments);
      return "";
    } catch (const QmpError& error) {
      return error.desc();
    }
  }
  /// A machine with two disks of 1 MiB as nodes "a" and "b"; "b" is full of that byte.
  void StartWithDisks() {
    WriteFile(dir / "a", std::string(1 << 20, '\0'));
    WriteFile(dir / "b", std::string(1 << 20, 'b'));
    StartMachine({"-blockdev", "driver=file,node-name=a,filename=" + (dir / "a").string(),
                  "-blockdev", "driver=file,node-name=b,filename=" + (dir / "b").string()});
  }
};

class BlockdevReopen : public MonitorInput {};

TEST_F(BlockdevReopen, OfNoNodeChangesNothing) {
  StartWithDisks();
  const json before = qmp().Execute("query-named-block-nodes");
  EXPECT_EQ(GetRefusal("blockdev-reopen", {{"options", json::array()}}), "");
  EXPECT_EQ(qmp().Execute("query-named-block-nodes"), before);
}

class Transaction : public MonitorInput {
 protected:
  static json Enable(const std::string& node, const std::string& bitmap) {
    return {{"type", "block-dirty-bitmap-enable"}, {"data", {{"node", node}, {"name", bitmap}}}};
  }
  /// Whether the only bitmap of that node records writes.
  bool IsRecording(const std::string& node) {
    for (const json& entry : qmp().Execute("query-named-block-nodes"))
      if (entry["node-name"] == node) return entry["dirty-bitmaps"].at(0)["recording"];
    throw std::runtime_error("there is no node " + node);
  }
};

TEST_F(Transaction, AnAbsentBitmapIsAnErrorAndUndoesWhatCameBefore) {
  StartWithDisks();
  qmp().Execute("block-dirty-bitmap-add", {{"node", "a"}, {"name", "m"}, {"disabled", true}});
  const std::string refusal =
      GetRefusal("transaction", {{"actions", {Enable("a", "m"), Enable("a", "none")}}});
  EXPECT_NE(refusal.find("Dirty bitmap 'none' not found"), std::string::npos) << refusal;
  EXPECT_FALSE(IsRecording("a"));
  EXPECT_NE(GetRefusal("transaction", {{"actions", {Enable("none", "m")}}}), "");
  EXPECT_EQ(GetRefusal("transaction", {{"actions", {Enable("a", "m")}}}), "");
  EXPECT_TRUE(IsRecording("a"));
}

class Inactive : public MonitorInput {};

TEST_F(Inactive, AStateIsSavedTwiceThenMigratedAndThenTheSourceRuns) {
  WriteFile(dir / "disk", std::string(1 << 20, '\0'));
  StartMachine({"-blockdev", "driver=file,node-name=f,filename=" + (dir / "disk").string(),
                "-blockdev", "driver=raw,node-name=r,file=f", "-device",
                "virtio-blk-pci,drive=r,addr=5,romfile="});
  qmp().Execute("stop");
  const std::string first = dir / "first", second = dir / "second";
  qmp().Execute("xen-save-devices-state", {{"filename", first}});
  qmp().Execute("xen-save-devices-state", {{"filename", second}});
  EXPECT_EQ(ReadFile(first).size(), ReadFile(second).size());
  EXPECT_FALSE(MigrateToBytes(*qemu).empty());

  // The nodes are the source's own again, and can be written.
  qmp().Execute("cont");
  VirtioPciDevice device(*bus, bus->At(5));
  device.Negotiate(0);
  Virtqueue queue = device.SetUpQueue(0, *heap);
  device.SetDriverOk();
  const uint64_t header = heap->Allocate(16), data = heap->Allocate(512),
                 status = heap->Allocate(1);
  qtest().MemSet(header, 16, 0);
  qtest().WriteL(header, 1);  // VIRTIO_BLK_T_OUT
  qtest().MemSet(data, 512, 'w');
  qtest().WriteB(status, 0xff);
  queue.Add({{header, 16, false}, {data, 512, false}, {status, 1, true}});
  device.Notify(0);
  queue.Wait(Deadline(kTimeout));
  EXPECT_EQ(qtest().ReadB(status), 0);
  EXPECT_EQ(ReadFile(dir / "disk").substr(0, 512), std::string(512, 'w'));
}

class MemorySize : public MonitorInput {};

TEST_F(MemorySize, ThatCannotBeAddressedIsRefused) {
  StartMachine({});
  for (const uint64_t size : {~uint64_t{0}, ~uint64_t{0} - 4094, ~uint64_t{0} - 4095,
                              ~uint64_t{0} - (uint64_t{1} << 20)}) {
    const std::string refusal =
        GetRefusal("object-add", {{"qom-type", "memory-backend-ram"}, {"id", "m"}, {"size", size}});
    EXPECT_NE(refusal.find("RAM block"), std::string::npos) << size << ": " << refusal;
  }
  // The id is free, and there is room for a block that fits.
  EXPECT_EQ(
      GetRefusal("object-add", {{"qom-type", "memory-backend-ram"}, {"id", "m"}, {"size", 65536}}),
      "");
  EXPECT_EQ(qmp().Execute("query-memdev").at(0)["id"], "m");
}

class XenLoad : public MonitorInput {};

TEST_F(XenLoad, IsAnErrorForAFileThatHasNoStateAndMayBeRepeated) {
  StartMachine({});
  WriteFile(dir / "empty", "");
  qmp().Execute("stop");
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(GetRefusal("xen-load-devices-state", {{"filename", (dir / "empty").string()}}),
              "An IO error has occurred");
}

TEST_F(XenLoad, TakesWhatXenSaveHasSaved) {
  // As the machine types for Xen do; xen-save-devices-state writes no such section.
  StartMachine({"-global", "migration.send-configuration=off"});
  const std::string file = dir / "state";
  qmp().Execute("stop");
  qmp().Execute("xen-save-devices-state", {{"filename", file}, {"live", false}});
  EXPECT_EQ(GetRefusal("xen-load-devices-state", {{"filename", file}}), "");
  EXPECT_EQ(GetRefusal("cont", {}), "");
}

class BusName : public MonitorInput {};

TEST_F(BusName, MayBeThatOfAProperty) {
  if (!HasDeviceType("pci-bridge")) GTEST_SKIP() << "$QEMU has no pci-bridge";
  StartMachine({"-device", "pci-bridge,id=outer,chassis_nr=1,addr=6"});
  qmp().Execute("device_add", {{"driver", "pci-bridge"},
                               {"id", "msi"},
                               {"bus", "outer"},
                               {"chassis_nr", 2},
                               {"addr", "1"}});
  // The bus has the bridge's name, by which devices are plugged into it; the property is its own.
  qmp().Execute("device_add",
                {{"driver", "virtio-rng-pci"}, {"id", "r"}, {"bus", "msi"}, {"addr", "2"}});
  EXPECT_EQ(qmp().Execute("qom-get", {{"path", "/machine/peripheral/msi"}, {"property", "msi"}}),
            "auto");
  std::set<std::string> children;
  for (const json& property : qmp().Execute("qom-list", {{"path", "/machine/peripheral/msi"}}))
    children.insert(property["name"]);
  EXPECT_TRUE(children.contains("msi[0]"));
}

class CryptodevQueues : public MonitorInput {};

TEST_F(CryptodevQueues, HaveALimitAndStayWhatTheyAre) {
  if (!HasObjectType("cryptodev-vhost-user")) GTEST_SKIP() << "$QEMU has no cryptodev-vhost-user";
  // A socket that nobody has connected to, so that the back-end does nothing yet.
  StartMachine({"-chardev", "socket,id=c,server=on,wait=off,path=" + (dir / "s").string()});
  const auto add = [&](int queues) {
    return GetRefusal(
        "object-add",
        {{"qom-type", "cryptodev-vhost-user"}, {"id", "o"}, {"chardev", "c"}, {"queues", queues}});
  };
  for (int queues : {65, 512, 1 << 20})
    EXPECT_NE(add(queues).find("is at most 64"), std::string::npos) << queues;
  EXPECT_EQ(add(64), "");
  EXPECT_NE(GetRefusal("qom-set", {{"path", "/objects/o"}, {"property", "queues"}, {"value", 63}})
                .find("cannot be changed"),
            std::string::npos);
  EXPECT_EQ(qmp().Execute("qom-get", {{"path", "/objects/o"}, {"property", "queues"}}), 64);
  EXPECT_EQ(GetRefusal("object-del", {{"id", "o"}}), "");
}

class TapQueues : public MonitorInput {};

TEST_F(TapQueues, AreAtLeastOne) {
  StartMachine({});
  const std::string refusal =
      GetRefusal("netdev_add", {{"type", "tap"}, {"id", "t"}, {"queues", 0}});
  EXPECT_NE(refusal.find("queues= must be at least 1"), std::string::npos) << refusal;
  // The name is free.
  EXPECT_EQ(GetRefusal("netdev_add", {{"type", "hubport"}, {"id", "t"}, {"hubid", 1}}), "");
}

class ConsoleSize : public MonitorInput {};

TEST_F(ConsoleSize, HasALimit) {
  StartMachine({});
  const auto add = [&](const char* wide, int64_t width, const char* high, int64_t height) {
    return GetRefusal(
        "chardev-add",
        {{"id", "v"}, {"backend", {{"type", "vc"}, {"data", {{wide, width}, {high, height}}}}}});
  };
  constexpr int64_t kHuge = int64_t{1} << 26;
  for (const int64_t size :
       {int64_t{65536}, kHuge, int64_t{1} << 32, int64_t{-1}, INT64_MIN, INT64_MAX}) {
    EXPECT_NE(add("width", 512, "height", size).find("65535x65535"), std::string::npos) << size;
    EXPECT_NE(add("width", size, "height", 16).find("65535x65535"), std::string::npos) << size;
    EXPECT_NE(add("cols", size, "rows", 1).find("65535x65535"), std::string::npos) << size;
    EXPECT_NE(add("cols", 1, "rows", size).find("65535x65535"), std::string::npos) << size;
  }
  EXPECT_EQ(add("width", 800, "height", 600), "");
}

}  // namespace
}  // namespace stx
