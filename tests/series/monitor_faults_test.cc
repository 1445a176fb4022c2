// SPDX-License-Identifier: GPL-2.0-or-later
// Monitor commands that crashed QEMU.
//   LatencyHistogram   block-latency-histogram.patch
//   CalcDirtyRate      calc-dirty-rate-tcg.patch
//   ListProperties     qom-types-that-are-only-looked-at.patch
//   ResetWhileDumping  reset-while-dumping.patch

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>
#include <thread>

#include "base/waiting.h"
#include "harness/qemu/device_types.h"
#include "harness/qemu/machine_test.h"
#include "harness/virtio/virtio_pci.h"

namespace stx {
namespace {

constexpr Milliseconds kTimeout{20000};

/// A virtio-blk whose requests run in an iothread, and its driver.
class LatencyHistogram : public MachineTest {
 protected:
  void SetUp() override {
    WriteFile(dir / "disk", std::string(1 << 20, 'd'));
    StartMachine({"-object", "iothread,id=io", "-blockdev",
                  "driver=file,node-name=f,filename=" + (dir / "disk").string(), "-device",
                  "virtio-blk-pci,drive=f,id=v,iothread=io,num-queues=1,addr=5,romfile="});
    device.emplace(*bus, bus->At(5));
    device->Negotiate(0);
    queue = device->SetUpQueue(0, *heap);
    device->SetDriverOk();
  }
  void Set(const json& boundaries) {
    qmp().Execute("block-latency-histogram-set",
                  {{"id", "/machine/peripheral/v/virtio-backend"}, {"boundaries", boundaries}});
  }
  /// Reads a sector, which must have the disk's content.
  void Read() {
    const uint64_t header = heap->Allocate(16), data = heap->Allocate(512),
                   status = heap->Allocate(1);
    qtest().MemSet(header, 16, 0);  // VIRTIO_BLK_T_IN, sector 0
    qtest().WriteB(status, 0xff);
    queue->Add({{header, 16, false}, {data, 512, true}, {status, 1, true}});
    device->Notify(0);
    queue->Wait(Deadline(kTimeout));
    EXPECT_EQ(qtest().ReadB(status), 0);
    EXPECT_EQ(qtest().MemRead(data, 512), std::vector<uint8_t>(512, 'd'));
  }
  json Histogram(const std::string& name) {
    const json stats = qmp().Execute("query-blockstats").at(0)["stats"];
    return stats.value(name, json());
  }

  std::optional<VirtioPciDevice> device;
  std::optional<Virtqueue> queue;
};

TEST_F(LatencyHistogram, WithoutBoundariesHasOneBinThatCountsEveryRequest) {
  Set(json::array());
  for (int i = 0; i < 3; ++i) Read();
  EXPECT_EQ(Histogram("rd_latency_histogram"),
            (json{{"boundaries", json::array()}, {"bins", json::array({3})}}));
  EXPECT_EQ(Histogram("wr_latency_histogram"),
            (json{{"boundaries", json::array()}, {"bins", json::array({0})}}));
}

TEST_F(LatencyHistogram, WithBoundariesCountsAsBefore) {
  Set(json::array({1}));
  Read();
  EXPECT_EQ(Histogram("rd_latency_histogram")["bins"], json::array({0, 1}));
  const uint64_t hour = 3600ULL * 1000 * 1000 * 1000;
  Set(json::array({1, hour}));
  Read();
  EXPECT_EQ(Histogram("rd_latency_histogram")["bins"], json::array({0, 1, 0}));
  for (const json& wrong : {json::array({0}), json::array({20, 10}), json::array({5, 5})})
    EXPECT_THROW(Set(wrong), QmpError) << wrong;
  EXPECT_EQ(Histogram("rd_latency_histogram")["bins"], json::array({0, 1, 0}));
  qmp().Execute("block-latency-histogram-set", {{"id", "/machine/peripheral/v/virtio-backend"}});
  EXPECT_TRUE(Histogram("rd_latency_histogram").is_null());
}

class CalcDirtyRate : public MachineTest {
 protected:
  json Measured() {
    json rate;
    WaitUntil("the dirty rate is measured", Deadline(kTimeout), [&] {
      rate = qmp().Execute("query-dirty-rate");
      return rate["status"] == "measured";
    });
    return rate;
  }
};

TEST_F(CalcDirtyRate, WithoutKvmRefusesTheRingAndMeasuresByTheBitmap) {
  StartMachine({});
  try {
    qmp().Execute("calc-dirty-rate", {{"calc-time", 1}, {"mode", "dirty-ring"}});
    FAIL() << "there is no ring without KVM";
  } catch (const QmpError& error) {
    EXPECT_NE(error.desc().find("dirty-ring is not enabled"), std::string::npos) << error.desc();
  }
  for (const char* mode : {"dirty-bitmap", "page-sampling"}) {
    qmp().Execute("calc-dirty-rate", {{"calc-time", 1}, {"mode", mode}});
    EXPECT_EQ(Measured()["mode"], mode);
  }
  ExpectAlive();
}

class ListProperties : public MachineTest {
 protected:
  std::set<std::string> Names(const std::string& type) {
    std::set<std::string> names;
    for (const json& property : qmp().Execute("qom-list-properties", {{"typename", type}}))
      names.insert(property["name"].get<std::string>());
    return names;
  }
  bool Has(const std::string& type) {
    const json types = qmp().Execute("qom-list-types");
    return std::any_of(types.begin(), types.end(),
                       [&](const json& t) { return t["name"] == type; });
  }
};

TEST_F(ListProperties, OfEveryTypeAnswersAndTheMachinePowersDown) {
  StartMachine({});
  for (const json& type : qmp().Execute("qom-list-types"))
    ASSERT_NO_THROW(Names(type["name"].get<std::string>())) << type << qemu->Report();
  // Twice, because the first call may leave something behind.
  for (const char* type :
       {"colo-compare", "microvm-machine", "qio-net-listener", "x-remote-object"})
    if (Has(type)) {
      EXPECT_EQ(Names(type), Names(type)) << type;
    }
  qmp().Execute("system_powerdown");
  qmp().WaitEvent("POWERDOWN");
  ExpectAlive();
}

TEST_F(ListProperties, AnObjectThatIsRefusedLeavesNothingBehind) {
  StartMachine({});
  if (!HasObjectType("colo-compare")) GTEST_SKIP() << "$QEMU has no colo-compare";
  for (int i = 0; i < 2; ++i) {
    try {
      qmp().Execute("object-add", {{"qom-type", "colo-compare"},
                                   {"id", "o"},
                                   {"primary_in", "a"},
                                   {"secondary_in", "a"},
                                   {"outdev", "a"},
                                   {"iothread", "none"}});
      FAIL() << "there is no such iothread";
    } catch (const QmpError&) {
    }
  }
  ExpectAlive();
}

TEST_F(ListProperties, ARemoteObjectOfNoDeviceComesAndGoes) {
  StartMachine({"-device", "virtio-rng-pci,id=some"});
  if (!HasObjectType("x-remote-object")) GTEST_SKIP() << "$QEMU has no x-remote-object";
  for (int i = 0; i < 2; ++i) {
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    const UniqueFd ours(ends[0]), theirs(ends[1]);
    qmp().ExecuteWithFd("getfd", {{"fdname", "fd"}}, theirs.get());
    qmp().Execute("object-add",
                  {{"qom-type", "x-remote-object"}, {"id", "o"}, {"fd", "fd"}, {"devid", "none"}});
    qmp().Execute("object-del", {{"id", "o"}});
    ExpectAlive();
  }
}

TEST_F(ListProperties, MicrovmStillPowersDownAfterALookAtItsType) {
  if (!HasDeviceType("virtio-rng-device")) GTEST_SKIP() << "no microvm without virtio-mmio";
  QemuOptions options;
  options.qtest = true;
  options.args = {"-machine", "microvm", "-m", "64M", "-nodefaults", "-display", "none"};
  qemu.emplace(std::move(options));
  EXPECT_TRUE(Names("microvm-machine").contains("auto-kernel-cmdline"));
  qmp().Execute("system_powerdown");
  qmp().WaitEvent("POWERDOWN");
  ExpectAlive();
}

class ResetWhileDumping : public MachineTest {};

/// A pipe that nobody reads yet delays the dump for as long as the test needs.
TEST_F(ResetWhileDumping, TheVmStaysInSaveVmUntilTheDumpIsComplete) {
  StartMachine({});
  qmp().Execute("cont");
  const std::string pipe = dir / "dump";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  UniqueFd reader(open(pipe.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  ASSERT_TRUE(reader);
  qmp().Execute("dump-guest-memory",
                {{"protocol", "file:" + pipe}, {"paging", false}, {"detach", true}});
  ASSERT_TRUE(WaitFor(reader.get(), POLLIN, Deadline(kTimeout)));
  EXPECT_EQ(qmp().Execute("query-status")["status"], "save-vm");

  qmp().Execute("system_reset");
  qmp().WaitEvent("RESET", kTimeout);
  EXPECT_EQ(qmp().Execute("query-status")["status"], "save-vm");

  std::string start;
  size_t length = 0;
  std::vector<char> bytes(1 << 20);
  const Deadline deadline(Milliseconds(60000));
  for (ssize_t got; WaitFor(reader.get(), POLLIN | POLLHUP, deadline) &&
                    (got = read(reader.get(), bytes.data(), bytes.size())) > 0;
       length += got)
    if (start.empty()) start.assign(bytes.data(), 4);
  EXPECT_EQ(start,
            "\x7f"
            "ELF");
  EXPECT_GT(length, kRam);
  EXPECT_EQ(qmp().WaitEvent("DUMP_COMPLETED", kTimeout)["data"]["result"]["status"], "completed");
  // The event comes before the VM goes on.
  WaitUntil("the VM runs", Deadline(kTimeout),
            [&] { return qmp().Execute("query-status")["status"] == "running"; });
}

}  // namespace
}  // namespace stx
