// SPDX-License-Identifier: GPL-2.0-or-later
// What a driver of virtio-gpu may send.
//   GpuMemory     virtio-gpu-host-memory.patch (CVE-2026-3886): how much host memory resources cost
//   ShortRequest  virtio-gpu-short-request.patch (CVE-2026-18054)
//   Blob          virtio-gpu-blob-bounds.patch (CVE-2026-63109, -66021). FAKE_UDMABUF names a
//                 library that stands for a host with /dev/udmabuf, which blob=on needs

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
constexpr uint32_t kUnspecified = 0x1200, kInvalid = 0x1205;
constexpr uint32_t kB8g8r8x8 = 2, kHeader = 24;
constexpr uint32_t kEntries = 16384;  // of a backing: the maximum that QEMU accepts

class GpuTest : public MachineTest {
 protected:
  void SetUp() override {
    if (!HasDeviceType("virtio-gpu-pci")) GTEST_SKIP() << "$QEMU has no virtio-gpu-pci";
    StartGpu("max_hostmem=16M");
  }
  void StartGpu(const std::string& properties, std::vector<std::string> args = {}) {
    args.insert(args.end(), {"-device", "virtio-gpu-pci,addr=5," + properties});
    StartMachine(args);
    device.emplace(*bus, bus->At(5));
    device->Negotiate(0);
    queue.emplace(device->SetUpQueue(0, *heap));
    cursors.emplace(device->SetUpQueue(1, *heap));
    device->SetDriverOk();
    command = heap->Allocate(128);
    response = heap->Allocate(kHeader);
    // The list of a backing: the same 16 bytes repeated.
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
  uint64_t Status(const std::string& field) { return ReadStatusSize(qemu->process().pid(), field); }

  std::optional<VirtioPciDevice> device;
  std::optional<Virtqueue> queue, cursors;
  uint64_t command = 0, response = 0, list = 0;
};

class GpuMemory : public GpuTest {};

TEST_F(GpuMemory, OfAnImageIsItsWholeSize) {
  const uint64_t before = Status("VmData");
  // 2^32 bytes, and a little more than 2^32.
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
  // Half of them by detaching, all of them by destroying the resources.
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
  StartGpu("max_hostmem=1M");
  uint32_t id = 1;
  while (id < 1500 && Create(id, 1, 1) == kOk) ++id;
  EXPECT_LT(id, 1100u) << "1 MiB holds 1024 resources of 1 KiB";
}

class ShortRequest : public GpuTest {
 protected:
  /// The type of the response to the first `length` bytes of a command.
  uint32_t Send(uint32_t type, uint32_t length) {
    qtest().MemSet(command, 128, 0);
    qtest().WriteL(command, type);
    qtest().WriteL(response, 0);
    queue->Add({{command, length, false}, {response, kHeader, true}});
    device->Notify(0);
    queue->Wait(Deadline(kWait));
    return qtest().ReadL(response);
  }
};

TEST_F(ShortRequest, WithoutAHeaderIsAnsweredAndTheQueueGoesOn) {
  for (uint32_t length : {1u, 4u, kHeader - 1}) EXPECT_GE(Send(kUnref, length), kUnspecified);
  EXPECT_EQ(Create(1, 16, 16), kOk);
}

TEST_F(ShortRequest, WithoutItsParametersHasFailed) {
  for (uint32_t type : {kCreate2d, kUnref, kAttachBacking, kDetachBacking})
    EXPECT_GE(Send(type, kHeader + 3), kUnspecified) << std::hex << type;
  EXPECT_EQ(Create(1, 16, 16), kOk);
}

/// virtio 1.2, section 5.7.6.8: blobs.
class Blob : public GpuTest {
 protected:
  static constexpr uint32_t kCreateBlob = 0x10c, kSetScanoutBlob = 0x10d, kUpdateCursor = 0x300;
  static constexpr int kFeatureBlob = 3;
  static constexpr uint32_t kWidth = 64, kHeight = 64, kStride = 4 * kWidth;

  void SetUp() override {
    if (!HasDeviceType("virtio-gpu-pci")) GTEST_SKIP() << "$QEMU has no virtio-gpu-pci";
    environment = {"LD_PRELOAD=" + EnvOr("FAKE_UDMABUF", ""),
                   "ASAN_OPTIONS=" + EnvOr("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"};
    StartGpu("blob=on", {"-vnc", "unix:" + (dir / "vnc").string()});
    ASSERT_TRUE(device->OfferedFeatures() & virtio::Bit(kFeatureBlob));
    memory = heap->Allocate(kStride * kHeight, 4096);
    qtest().MemSet(memory, kStride * kHeight, 0x55);
  }
  /// A blob of `size` bytes, of which the guest has `backed`.
  uint32_t CreateBlob(uint32_t id, uint64_t size, uint32_t backed) {
    qtest().WriteQ(list, memory);
    qtest().WriteL(list + 8, backed);
    qtest().WriteL(list + 12, 0);
    return Execute(kCreateBlob,
                   {id, 1 /* of the guest */, 0, 1, 0, 0, static_cast<uint32_t>(size),
                    static_cast<uint32_t>(size >> 32)},
                   1);
  }
  struct Scanout {
    uint32_t x = 0, y = 0, columns = kWidth, rows = kHeight, width = kWidth, height = kHeight,
             stride = kStride, offset = 0;
  };
  uint32_t SetScanout(uint32_t id, const Scanout& s) {
    return Execute(kSetScanoutBlob, {s.x, s.y, s.columns, s.rows, 0, id, s.width, s.height,
                                     kB8g8r8x8, 0, s.stride, 0, 0, 0, s.offset, 0, 0, 0});
  }
  /// The bytes of a picture of the screen, without its header.
  std::string Picture() {
    qmp().Execute("screendump", {{"filename", (dir / "screen").string()}});
    const std::string ppm = ReadFile(dir / "screen");
    return ppm.substr(ppm.find("255\n") + 4);
  }
  /// Shows the resource as a cursor.
  void UpdateCursor(uint32_t id) {
    const uint64_t at = heap->Allocate(56);
    qtest().MemSet(at, 56, 0);
    qtest().WriteL(at, kUpdateCursor);
    qtest().WriteL(at + 40, id);
    cursors->Add({{at, 56, false}});
    device->Notify(1);
    cursors->Wait(Deadline(kWait));
  }

  uint64_t memory = 0;
};

TEST_F(Blob, IsShownAndUsedAsACursor) {
  ASSERT_EQ(CreateBlob(1, kStride * kHeight, kStride * kHeight), kOk);
  EXPECT_EQ(SetScanout(1, {}), kOk);
  EXPECT_EQ(Picture(), std::string(3 * kWidth * kHeight, '\x55'));
  UpdateCursor(1);
  ExpectAlive();
}

TEST_F(Blob, IsNoLargerThanItsMemoryAndNotEmpty) {
  EXPECT_EQ(CreateBlob(1, kStride * kHeight + 1, kStride * kHeight), kInvalid);
  EXPECT_EQ(CreateBlob(1, uint64_t{1} << 40, 4096), kInvalid);
  EXPECT_EQ(CreateBlob(1, 0, 4096), kInvalid);
  UpdateCursor(1);
  ExpectAlive();
}

TEST_F(Blob, ContainsTheScanout) {
  ASSERT_EQ(CreateBlob(1, kStride * kHeight, kStride * kHeight), kOk);
  const auto refused = [&](const char* what, const Scanout& scanout) {
    EXPECT_EQ(SetScanout(1, scanout), kInvalid) << what;
    ExpectAlive();
  };
  refused("a stride of less than a line", {.stride = 16});
  refused("a stride of no words", {.columns = 16, .rows = 16, .width = 16, .stride = 65});
  refused("a line more than there are", {.rows = kHeight + 1, .height = kHeight + 1});
  refused("an offset that is too large", {.offset = 4});
  refused("an offset that wraps", {.x = 16, .columns = 48, .offset = 0xffffffc0});
  refused("a row that wraps", {.y = 0x01000000, .rows = 16, .height = 0x02000000});
  refused("a width that wraps", {.columns = 16, .rows = 16, .width = 0x40000010});
  EXPECT_EQ(SetScanout(1, {.x = 16, .y = 16, .columns = 48, .rows = 48}), kOk);
  EXPECT_EQ(Picture(), std::string(3 * 48 * 48, '\x55'));
}

TEST_F(Blob, IsNotShownWithoutItsMemory) {
  ASSERT_EQ(CreateBlob(1, kStride * kHeight, kStride * kHeight), kOk);
  ASSERT_EQ(SetScanout(1, {}), kOk);
  ASSERT_EQ(Execute(kDetachBacking, {1, 0}), kOk);
  EXPECT_EQ(Picture().find('\x55'), std::string::npos);
  UpdateCursor(1);
  ExpectAlive();
}

}  // namespace
}  // namespace stx
