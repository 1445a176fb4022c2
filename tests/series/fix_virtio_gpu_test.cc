// SPDX-License-Identifier: GPL-2.0-or-later
// virtio-gpu-host-memory.patch (CVE-2026-3886): what a guest's resources may cost the host.

#include "harness/host/memory_map.h"
#include "harness/qemu/device_types.h"
#include "harness/qemu/machine_test.h"
#include "harness/virtio/virtio_pci.h"

namespace stx {
namespace {

constexpr Milliseconds kWait{20000};
constexpr uint64_t kMiB = 1 << 20;
// virtio 1.2, section 5.7.6.7: commands, responses, formats.
constexpr uint32_t kCreate2d = 0x101, kUnref = 0x102, kAttachBacking = 0x106,
                   kDetachBacking = 0x107, kOk = 0x1100, kOutOfMemory = 0x1201;
constexpr uint32_t kB8g8r8x8 = 2, kHeader = 24;
constexpr uint32_t kEntries = 16384;  // of a backing: the most that QEMU takes

class GpuMemory : public MachineTest {
 protected:
  void SetUp() override {
    if (!HasDeviceType("virtio-gpu-pci")) GTEST_SKIP() << "$QEMU has no virtio-gpu-pci";
    StartGpu("16M");
  }
  void StartGpu(const std::string& max_hostmem) {
    StartMachine({"-device", "virtio-gpu-pci,addr=5,max_hostmem=" + max_hostmem});
    device.emplace(*bus, bus->At(5));
    device->Negotiate(0);
    queue.emplace(device->SetUpQueue(0, *heap));
    device->SetUpQueue(1, *heap);
    device->SetDriverOk();
    command = heap->Allocate(64);
    response = heap->Allocate(kHeader);
    // The list of a backing: the same 16 bytes again and again.
    list = heap->Allocate(16 * kEntries);
    for (uint64_t i = 0; i < kEntries; ++i) {
      qtest().WriteQ(list + 16 * i, command);
      qtest().WriteQ(list + 16 * i + 8, 16);
    }
  }
  /// The type of the response to a command with these fields after its header.
  uint32_t Execute(uint32_t type, const std::vector<uint32_t>& fields, uint32_t entries = 0) {
    qtest().MemSet(command, kHeader, 0);
    qtest().WriteL(command, type);
    for (size_t i = 0; i < fields.size(); ++i) qtest().WriteL(command + kHeader + 4 * i, fields[i]);
    std::vector<VirtqueueBuffer> chain{
        {command, static_cast<uint32_t>(kHeader + 4 * fields.size()), false}};
    if (entries) chain.push_back({list, 16 * entries, false});
    chain.push_back({response, kHeader, true});
    queue->Add(chain);
    device->Notify(0);
    queue->Wait(Deadline(kWait));
    return qtest().ReadL(response);
  }
  uint32_t Create(uint32_t id, uint32_t width, uint32_t height) {
    return Execute(kCreate2d, {id, kB8g8r8x8, width, height});
  }
  uint64_t Status(const std::string& field) { return StatusSize(qemu->process().pid(), field); }

  std::optional<VirtioPciDevice> device;
  std::optional<Virtqueue> queue;
  uint64_t command = 0, response = 0, list = 0;
};

TEST_F(GpuMemory, OfAnImageIsItsWholeSize) {
  const uint64_t before = Status("VmData");
  // 2^32 bytes, and 2^32 and a little.
  EXPECT_EQ(Create(1, 65536, 16384), kOutOfMemory);
  EXPECT_EQ(Create(2, 65536, 16385), kOutOfMemory);
  EXPECT_LT(Status("VmData"), before + 64 * kMiB);
  EXPECT_EQ(Create(3, 1024, 1024), kOk);
}

TEST_F(GpuMemory, OfBackingsIsBoundedAndComesBack) {
  const auto fill = [&] {
    uint32_t id = 1;
    for (; id <= 100; ++id) {
      EXPECT_EQ(Create(id, 1, 1), kOk);
      const uint32_t attached = Execute(kAttachBacking, {id, kEntries}, kEntries);
      if (attached == kOk) continue;
      EXPECT_EQ(attached, kOutOfMemory);
      break;
    }
    return id;
  };
  const uint32_t first = fill();
  EXPECT_LT(first, 50u) << "16 MiB hold 42 lists of 384 KiB";
  EXPECT_GT(first, 30u);
  // Half by detaching, all by the end of the resources.
  for (uint32_t id = 1; id < first; ++id) {
    if (id % 2) {
      EXPECT_EQ(Execute(kDetachBacking, {id, 0}), kOk);
    }
    EXPECT_EQ(Execute(kUnref, {id, 0}), kOk);
  }
  EXPECT_EQ(Execute(kUnref, {first, 0}), kOk);
  EXPECT_EQ(fill(), first);
}

TEST_F(GpuMemory, OfManySmallResourcesIsBounded) {
  StartGpu("1M");
  uint32_t id = 1;
  while (id < 1500 && Create(id, 1, 1) == kOk) ++id;
  EXPECT_LT(id, 1100u) << "1 MiB holds 1024 resources of 1 KiB";
}

}  // namespace
}  // namespace stx
