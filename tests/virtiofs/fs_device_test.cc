// SPDX-License-Identifier: GPL-2.0-or-later
// virtio-fs as a device of a machine: what is refused at the start, the effect on QEMU of a daemon
// that exits or stops, hot-plug.

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "base/throws.h"
#include "base/waiting.h"
#include "harness/vhost_user/vhost_user_recorder.h"
#include "kata/qmp_calls.h"
#include "kata/qtest_pod.h"
#include "virtiofs/fixture.h"

namespace stx {
namespace {

class VirtioFsDevice : public VirtioFsMachine {
 protected:
  void SetUp() override {
    if (auto missing = Virtiofsd::Missing(DaemonKind::kC)) GTEST_SKIP() << *missing;
  }
  void Start() {
    StartDaemon(DaemonKind::kC);
    StartFsMachine();
    fs.emplace(*device, *heap);
    fs->Init();
  }
  /// Posts a request, to which no reply comes; returns its number for Collect.
  uint64_t PostWithoutReply() {
    const uint64_t unique =
        fs->Post(FUSE_GETATTR, FUSE_ROOT_ID, FuseBytes(fuse_getattr_in{}), sizeof(fuse_attr_out));
    fs->Kick();
    EXPECT_TRUE(Throws<std::runtime_error>("no reply from the daemon in time",
                                           [&] { fs->Collect(unique, Milliseconds(300)); }));
    return unique;
  }
  /// The stderr of a QEMU that has to refuse this device.
  static std::string GetRefusal(const std::string& chardev, const std::string& device) {
    RunResult result = RunQemu({"-machine", "q35,accel=tcg", "-nodefaults", "-nographic",
                                "-chardev", chardev, "-device", device});
    EXPECT_EQ(result.status.code, 1) << result.status.ToString();
    return result.err;
  }
};

struct Refused {
  const char* name;
  const char* device;
  const char* says;
};
void PrintTo(const Refused& refused, std::ostream* out) { *out << refused.name; }

class VirtioFsRefused : public VirtioFsDevice, public testing::WithParamInterface<Refused> {
 protected:
  void SetUp() override {}
};

TEST_P(VirtioFsRefused, WithASentence) {
  if (std::string(GetParam().name) == "CacheSize") Covers({"1.2 virtio_fs_cache_size"});
  const UniqueFd listener = ListenUnix(dir / "fs.sock");
  const std::string said = GetRefusal("socket,id=fs,path=" + (dir / "fs.sock").string(),
                                      std::string("vhost-user-fs-pci,") + GetParam().device);
  EXPECT_NE(said.find(GetParam().says), std::string::npos) << said;
}

INSTANTIATE_TEST_SUITE_P(
    Properties, VirtioFsRefused,
    testing::Values(Refused{"NoChardev", "tag=t", "missing chardev"},
                    Refused{"NoTag", "chardev=fs", "missing tag property"},
                    Refused{"LongTag", "chardev=fs,tag=abcdefghijklmnopqrstuvwxyz0123456789X",
                            "tag property must be 36 bytes or less"},
                    Refused{"EmptyTag", "chardev=fs,tag=", "tag property cannot be empty"},
                    Refused{"NoQueue", "chardev=fs,tag=t,num-request-queues=0",
                            "num-request-queues property must be larger than 0"},
                    Refused{"QueueSizeNoPowerOfTwo", "chardev=fs,tag=t,queue-size=1000",
                            "queue-size property must be a power of 2"},
                    Refused{"QueueSizeTooLarge", "chardev=fs,tag=t,queue-size=2048",
                            "queue-size property must be 1024 or smaller"},
                    Refused{"CacheSize", "chardev=fs,tag=t,cache-size=1024M",
                            "Property 'vhost-user-fs-pci.cache-size' not found"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST_F(VirtioFsDevice, TheConfigurationNamesItsTagAndQueues) {
  Covers({"virtio 5.11.4.2 queues"});
  for (uint32_t queues : {1u, 4u}) {
    // The daemons serve one request queue and end when they are told of a second one.
    VhostUserRecorder backend(dir / "fs.sock");
    StartFsMachine(false, queues == 1 ? "" : ",num-request-queues=4");
    std::string tag;
    for (uint32_t i = 0; i < 36; ++i) tag += static_cast<char>(device->ConfigB(i));
    EXPECT_EQ(tag, "kataShared" + std::string(26, '\0'));
    EXPECT_EQ(device->ConfigL(36), queues) << "num_request_queues";
    for (uint16_t i = 0; i <= queues; ++i) EXPECT_EQ(device->QueueMaxSize(i), 1024) << i;
    EXPECT_EQ(device->QueueMaxSize(static_cast<uint16_t>(queues + 1)), 0);
    qemu.reset();
  }
}

TEST_F(VirtioFsDevice, WithoutADaemonTheStartEndsInASentence) {
  const std::string said = GetRefusal("socket,id=fs,path=" + (dir / "none.sock").string(),
                                      "vhost-user-fs-pci,chardev=fs,tag=t");
  EXPECT_NE(said.find("Failed to connect to '" + (dir / "none.sock").string() + "': No such file"),
            std::string::npos)
      << said;
}

TEST_F(VirtioFsDevice, ADaemonThatIsKilledDoesNotTakeQemuAlong) {
  Start();
  daemon->process().Kill();
  PostWithoutReply();
  ExpectAlive();
  // A driver that starts again finds a device without a daemon, and QEMU nevertheless continues.
  device->Reset();
  ExpectAlive();
  qmp().Execute("stop");
  qmp().Execute("cont");
  ExpectAlive();
}

TEST_F(VirtioFsDevice, ADaemonThatStopsReadingHoldsUpOnlyItsRequests) {
  Start();
  daemon->process().Signal(SIGSTOP);
  const std::string stat = "/proc/" + std::to_string(daemon->process().pid()) + "/status";
  WaitUntil("the daemon is stopped", Deadline(Milliseconds(5000)),
            [&] { return ReadFile(stat).find("State:\tT") != std::string::npos; });
  const uint64_t unique = PostWithoutReply();
  ExpectAlive();
  daemon->process().Signal(SIGCONT);
  EXPECT_EQ(fs->Collect(unique).error, 0);
}

TEST_F(VirtioFsDevice, ADaemonThatEndedIsReplacedByANewMachine) {
  Start();
  qemu.reset();
  EXPECT_TRUE(daemon->process().Wait(Milliseconds(10000))) << "the daemon ends with its QEMU";
  Start();
  EXPECT_EQ(fs->Getattr(FUSE_ROOT_ID).mode & S_IFMT, static_cast<uint32_t>(S_IFDIR));
}

TEST_F(VirtioFsDevice, MemoryThatIsNotSharedIsSaid) {
  StartDaemon(DaemonKind::kC);
  QemuOptions options;
  options.qtest = true;
  options.args = {"-machine",
                  "q35",
                  "-m",
                  "128M",
                  "-nodefaults",
                  "-chardev",
                  "socket,id=fs,path=" + (dir / "fs.sock").string(),
                  "-device",
                  "vhost-user-fs-pci,chardev=fs,tag=t,addr=5"};
  qemu.emplace(std::move(options));
  bus.emplace(qemu->qtest());
  heap.emplace(16 << 20, 96 << 20);
  VirtioPciDevice pci(*bus, bus->At(5));
  fs.emplace(pci, *heap);
  ExpectAlive();
  // The daemon finds no memory at the rings' addresses and disconnects. QEMU's message depends on
  // what it is sending at that time.
  WaitUntil("a message of QEMU", Deadline(Milliseconds(5000)),
            [&] { return !qemu->process().Stderr().empty(); });
  ExpectAlive();
}

TEST_F(VirtioFsDevice, HotPluggedItServesAndIsUnplugged) {
  Covers({"1.1 virtio-fs", "2.1 device_del"});
  StartDaemon(DaemonKind::kC);
  WriteFile(shared / "file", "hot");
  QtestPod pod;
  pod.qmp().Execute("chardev-add", MakeSocketChardev("fs", dir / "fs.sock"));
  pod.Add({{"driver", "vhost-user-fs-pci"}, {"id", "fs0"}, {"chardev", "fs"}, {"tag", "hot"}},
          "pci-bridge-0", 3);
  VirtioPciDevice pci(pod.bridge(), pod.bridge().At(3));
  FuseClient client(pci, pod.heap());
  client.Init();
  const FuseClient::File file = client.Open(client.Lookup(FUSE_ROOT_ID, "file").nodeid, O_RDONLY);
  EXPECT_EQ(client.Read(file, 0, 100), "hot");
  pod.Remove("fs0", "pci-bridge-0", 3);
  pod.qmp().Execute("chardev-remove", {{"id", "fs"}});
  EXPECT_TRUE(daemon->process().Wait(Milliseconds(10000))) << "the daemon ends";
}

}  // namespace
}  // namespace stx
