// SPDX-License-Identifier: GPL-2.0-or-later
// virtio-blk-scsi-request.patch (CVE-2026-48914): which memory a request of type 2 may change.
// bounce-buffer-zero.patch (CVE-2024-8612): what a request that fails leaves in a buffer that is
// not in RAM.

#include "harness/qemu/machine_test.h"
#include "harness/virtio/virtio_pci.h"
#include "harness/virtio/virtio_pci_legacy.h"

namespace stx {
namespace {

constexpr Milliseconds kWait{20000};
constexpr uint32_t kScsiCommand = 2;
constexpr uint8_t kIoError = 1, kUnsupported = 2;
constexpr uint32_t kScsiHeader = 16;  // errors, data_len, sense_len, residual

class BlkScsiRequest : public MachineTest {
 protected:
  void StartDisk(const std::string& properties) {
    WriteFile(dir / "disk", std::string(1 << 20, 'd'));
    StartMachine({"-drive", "if=none,id=d,format=raw,file=" + (dir / "disk").string(), "-device",
                  "virtio-blk-pci,drive=d,addr=5," + properties});
  }
  /// The status of a SCSI request whose header is at that address.
  uint8_t Request(VirtioDevice& device, Virtqueue& queue, uint64_t header, uint32_t length) {
    const uint64_t type = heap->Allocate(16), command = heap->Allocate(16),
                   sense = heap->Allocate(64), status = heap->Allocate(1);
    qtest().WriteL(type, kScsiCommand);
    qtest().MemSet(command, 16, 0);
    qtest().WriteB(status, 0xff);
    queue.Add({{type, 16, false},
               {command, 6, false},
               {sense, 64, true},
               {header, length, true},
               {status, 1, true}});
    device.Notify(0);
    queue.Wait(Deadline(kWait));
    return qtest().ReadB(status);
  }
  std::vector<uint8_t> Untouched(size_t size) { return std::vector<uint8_t>(size, 0xaa); }
};

class BlkModern : public BlkScsiRequest {
 protected:
  void StartDriver(const std::string& properties = "scsi=off,config-wce=off,share-rw=on") {
    StartDisk(properties);
    device.emplace(*bus, bus->At(5));
    device->Negotiate(0);
    queue.emplace(device->SetUpQueue(0, *heap));
    device->SetDriverOk();
  }
  std::optional<VirtioPciDevice> device;
  std::optional<Virtqueue> queue;
};

TEST_F(BlkModern, WritesNothingButTheStatus) {
  StartDriver();
  const uint64_t header = heap->Allocate(64);
  for (uint32_t length : {1U, 15U, 16U, 64U}) {
    qtest().MemSet(header, 64, 0xaa);
    EXPECT_EQ(Request(*device, *queue, header, length), kUnsupported) << length;
    EXPECT_EQ(qtest().MemRead(header, 64), Untouched(64)) << length;
  }
}

TEST_F(BlkModern, SurvivesAHeaderAtTheEndOfMemory) {
  StartDriver();
  EXPECT_EQ(Request(*device, *queue, kRam - 1, 1), kUnsupported);
  ExpectAlive();
}

class BlkLegacy : public BlkScsiRequest {};

TEST_F(BlkLegacy, AHeaderThatDoesNotFitIsAnErrorAndOneThatDoesIsWritten) {
  StartDisk("scsi=on,disable-legacy=off,disable-modern=on");
  VirtioPciLegacyDevice device(*bus, bus->At(5));
  device.Negotiate(1 << 7 /* VIRTIO_BLK_F_SCSI */);
  Virtqueue queue = device.SetUpQueue(0, *heap);
  device.SetDriverOk();

  const uint64_t header = heap->Allocate(64);
  qtest().MemSet(header, 64, 0xaa);
  EXPECT_EQ(Request(device, queue, header, kScsiHeader - 1), kIoError);
  EXPECT_EQ(qtest().MemRead(header, 64), Untouched(64));
  // A file accepts no SCSI commands.
  EXPECT_EQ(Request(device, queue, header, kScsiHeader), kUnsupported);
  EXPECT_EQ(qtest().ReadL(header), 255u);
  EXPECT_EQ(qtest().MemRead(header + kScsiHeader, 48), Untouched(48));
}

class BounceBuffer : public MachineTest {};

TEST_F(BounceBuffer, OfAReadThatFailsHasNoBytesOfTheHost) {
  WriteFile(dir / "disk", std::string(1 << 20, 'd'));
  // The C library fills what it hands out.
  environment = {"MALLOC_PERTURB_=90"};
  // 64 vectors: an MSI-X table of 1 KiB, registers that keep what is written.
  StartMachine({"-drive", "if=none,id=d,format=raw,file=" + (dir / "disk").string(), "-device",
                "virtio-blk-pci,drive=d,addr=5", "-device", "virtio-serial-pci,vectors=64,addr=6"});
  VirtioPciDevice device(*bus, bus->At(5));
  device.Negotiate(0);
  Virtqueue queue = device.SetUpQueue(0, *heap);
  device.SetDriverOk();
  const uint64_t table = bus->Enable(bus->At(6))[1];
  ASSERT_NE(table, 0u);
  const uint64_t header = heap->Allocate(16), status = heap->Allocate(1);
  const auto request = [&](uint32_t type, uint64_t sector) {
    qtest().WriteL(header, type);
    qtest().WriteL(header + 4, 0);
    qtest().WriteQ(header + 8, sector);
    qtest().WriteB(status, 0xff);
    queue.Add({{header, 16, false}, {table, 512, type == 0}, {status, 1, true}});
    device.Notify(0);
    queue.Wait(Deadline(kWait));
    return qtest().ReadB(status);
  };
  const auto fill = [&](uint32_t value) {
    for (uint64_t i = 0; i < 512; i += 4) qtest().WriteL(table + i, value);
  };
  const auto words = [&](uint32_t value) {
    int count = 0;
    for (uint64_t i = 0; i < 512; i += 4) count += qtest().ReadL(table + i) == value;
    return count;
  };
  // The read of a sector that there is not is told to have written its whole buffer.
  fill(1);
  ASSERT_EQ(words(1), 128);
  ASSERT_EQ(request(0, uint64_t{1} << 40), kIoError);
  EXPECT_EQ(words(0), 128) << std::hex << qtest().ReadL(table + 128);
  // The read of one that there is fills it.
  ASSERT_EQ(request(0, 8), 0);
  EXPECT_EQ(words(0x64646464), 128);
}

}  // namespace
}  // namespace stx
