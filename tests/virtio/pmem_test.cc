// SPDX-License-Identifier: GPL-2.0-or-later
// What a driver may rely on of virtio-pmem (virtio 1.2, section 5.19): where its memory is, and
// what is on the medium when a flush is answered.

#include "base/pattern.h"
#include "base/waiting.h"
#include "harness/host/slow_fsync.h"
#include "harness/qemu/contract.h"
#include "harness/qemu/machine_test.h"
#include "harness/virtio/virtio_pci.h"

namespace stx {
namespace {

class Pmem : public MachineTest {
 protected:
  static constexpr Milliseconds kWait{20000};
  static constexpr uint64_t kSize = 4 << 20;

  void Start() {
    environment = fsync.Environment();
    content = MakePattern(kSize, 1);
    WriteFile(dir / "pmem", content);
    StartMachine(
        {"-object", "memory-backend-file,id=m,size=4M,share=on,mem-path=" + (dir / "pmem").string(),
         "-device", "virtio-pmem-pci,id=pmem,memdev=m,addr=5"},
        "q35", "256M,slots=1,maxmem=1G");
    device.emplace(*bus, bus->At(5));
    device->Negotiate(0);
    queue.emplace(device->SetUpQueue(0, *heap));
    device->SetDriverOk();
  }
  /// Posts a flush; returns where its result will be.
  uint64_t Flush() {
    const uint64_t request = heap->Allocate(4), result = heap->Allocate(4);
    qtest().WriteL(request, 0);
    qtest().WriteL(result, 0xeeeeeeee);
    queue->Add({{request, 4, false}, {result, 4, true}});
    device->Notify(0);
    return result;
  }
  uint32_t Result(uint64_t at) {
    EXPECT_EQ(queue->Wait(Deadline(kWait)).written, 4u);
    return qtest().ReadL(at);
  }

  SlowFsync fsync;
  std::string content;
  std::optional<VirtioPciDevice> device;
  std::optional<Virtqueue> queue;
};

TEST_F(Pmem, TheMemoryIsWhereTheConfigurationSays) {
  Covers({"virtio 5.19.5.2 range"});
  Start();
  const uint64_t start = device->ConfigQ(0), size = device->ConfigQ(8);
  EXPECT_EQ(size, kSize);
  const json info = qmp().Execute("query-memory-devices").at(0)["data"];
  EXPECT_EQ(info["memaddr"], start);
  EXPECT_EQ(info["size"], kSize);
  for (uint64_t at : {uint64_t{0}, kSize / 2, kSize - 512}) {
    const auto bytes = qtest().MemRead(start + at, 512);
    EXPECT_TRUE(std::string(bytes.begin(), bytes.end()) == content.substr(at, 512)) << at;
  }
  qtest().MemWrite(start + 4096, "stored", 6);
  qtest().MemWrite(start + kSize - 4, "last", 4);
  EXPECT_EQ(Result(Flush()), 0u);
  content.replace(4096, 6, "stored").replace(kSize - 4, 4, "last");
  EXPECT_TRUE(ReadFile(dir / "pmem") == content);
}

TEST_F(Pmem, AFlushIsAnsweredWhenTheMediumHasIt) {
  Covers({"virtio 5.19.6.3 persistent", "virtio 5.19.6.4 result"});
  Start();
  EXPECT_EQ(fsync.Begun(), 0u);
  for (size_t flushes : {1, 2, 3}) {
    fsync.Hold();
    const uint64_t result = Flush();
    fsync.WaitBegun(flushes);
    EXPECT_FALSE(HoldsBefore(Deadline(Milliseconds(30)), [&] { return bool(queue->Take()); }))
        << "answered while the host's disk has not";
    EXPECT_EQ(qtest().ReadL(result), 0xeeeeeeeeu);
    fsync.Release();
    EXPECT_EQ(Result(result), 0u);
    EXPECT_EQ(fsync.Ended(), flushes) << "one for each";
  }
}

TEST_F(Pmem, AFlushThatFailsSaysSo) {
  Covers({"virtio 5.19.6.4 result"});
  Start();
  fsync.Fail();
  EXPECT_EQ(Result(Flush()), 0xffffffffu) << "-1";
  fsync.Succeed();
  EXPECT_EQ(Result(Flush()), 0u);
}

}  // namespace
}  // namespace stx
