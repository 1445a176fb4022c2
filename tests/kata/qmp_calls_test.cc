// SPDX-License-Identifier: GPL-2.0-or-later
// The JSON of Kata's calls with its types: strings where QEMU has numbers, and vice versa (contract
// 2.2).
#include "kata/qmp_calls.h"

#include <gtest/gtest.h>

namespace stx {
namespace {

/// Types matter: json's own comparison considers 1 equal to 1.0.
void ExpectJson(const json& got, const char* wanted) {
  EXPECT_EQ(got.dump(), json::parse(wanted).dump());
}

TEST(QmpCalls, ABlockDevice) {
  ExpectJson(MakeBlockNode({.id = "drive-1", .path = "/dev/sdb"}),
             R"({"driver": "raw", "node-name": "drive-1", "read-only": false, "file":
                 {"driver": "host_device", "filename": "/dev/sdb", "aio": "io_uring"}})");
  ExpectJson(MakeBlockNode({.id = "swap",
                            .path = "/swap",
                            .driver = "file",
                            .aio = "threads",
                            .cache = {{"direct", false}, {"no-flush", false}}}),
             R"({"driver": "raw", "node-name": "swap", "read-only": false,
                 "cache": {"direct": false, "no-flush": false},
                 "file": {"driver": "file", "filename": "/swap", "aio": "threads"}})");
}

TEST(QmpCalls, Disks) {
  ExpectJson(MakeScsiDisk("drive-1", 256 + 3),
             R"({"driver": "scsi-hd", "id": "virtio-drive-1", "drive": "drive-1",
                 "bus": "scsi0.0", "scsi-id": 1, "lun": 3, "share-rw": "on"})");
  ExpectJson(PlaceOnBridge(MakeVirtioBlk("drive-1", 4), "pci-bridge-0", 0x1e),
             R"({"driver": "virtio-blk-pci", "id": "virtio-drive-1", "drive": "drive-1",
                 "addr": "1e", "bus": "pci-bridge-0", "share-rw": "on", "num-queues": "4",
                 "romfile": ""})");
  ExpectJson(MakeSocketChardev("char-1", "/run/blk.sock", 2),
             R"({"id": "char-1", "backend": {"type": "socket", "data": {"server": false,
                 "reconnect": 2, "addr": {"type": "unix", "data": {"path": "/run/blk.sock"}}}}})");
  EXPECT_FALSE(MakeSocketChardev("c", "/s")["backend"]["data"].contains("reconnect"));
}

TEST(QmpCalls, AVcpuHasTextForNumbersAndADieOnlyWithTheHostsModel) {
  json entry = json::parse(R"({"type": "max-x86_64-cpu", "vcpus-count": 1, "props":
      {"core-id": 0, "socket-id": 1, "thread-id": 0, "die-id": 0, "node-id": 0}})");
  ExpectJson(MakeVcpu(entry, 3),
             R"({"driver": "max-x86_64-cpu", "id": "cpu-3", "core-id": "0", "socket-id": "1",
                 "thread-id": "0"})");
  entry["type"] = "host-x86_64-cpu";
  EXPECT_EQ(MakeVcpu(entry, 3).at("die-id"), "0");
}

TEST(QmpCalls, Memory) {
  ExpectJson(MakeMemoryBackend("mem1", 134217728, "/dev/shm"),
             R"({"qom-type": "memory-backend-file", "id": "mem1", "size": 134217728,
                 "mem-path": "/dev/shm", "share": true})");
  ExpectJson(MakeMemoryBackend("mem1", 134217728, {}),
             R"({"qom-type": "memory-backend-ram", "id": "mem1", "size": 134217728})");
  ExpectJson(MakeDimm(1), R"({"driver": "pc-dimm", "id": "dimmmem1", "memdev": "mem1"})");
}

TEST(QmpCalls, ANic) {
  ExpectJson(MakeTapNetdev("tap1", "fd0:fd1", "vhostfd0:vhostfd1"),
             R"({"type": "tap", "id": "tap1", "fds": "fd0:fd1", "vhost": true,
                 "vhostfds": "vhostfd0:vhostfd1"})");
  ExpectJson(MakeTapNetdev("tap1", "fd0", ""), R"({"type": "tap", "id": "tap1", "fds": "fd0"})");
  ExpectJson(MakeNic("virtio-7", "tap1", "02:00:00:00:00:07", 2),
             R"({"driver": "virtio-net-pci", "id": "virtio-7", "netdev": "tap1",
                 "mac": "02:00:00:00:00:07", "mq": "on", "vectors": 6, "romfile": ""})");
}

TEST(QmpCalls, AFunctionOfTheHost) {
  ExpectJson(PlaceOnBridge(MakeVfio("vfio-1", "02:10.0"), "pci-bridge-0", 1),
             R"({"driver": "vfio-pci", "id": "vfio-1", "host": "02:10.0", "addr": "01",
                 "bus": "pci-bridge-0", "romfile": ""})");
}

}  // namespace
}  // namespace stx
