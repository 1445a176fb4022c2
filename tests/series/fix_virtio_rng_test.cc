// SPDX-License-Identifier: GPL-2.0-or-later
// rng-request-size.patch, rng-unplug.patch: how much a request for entropy may cost, and who gets
// the answer.

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "harness/host/memory_map.h"
#include "harness/qemu/acpi_hotplug.h"
#include "harness/qemu/machine_test.h"
#include "harness/virtio/virtio_pci.h"

namespace stx {
namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr uint32_t kMostAtATime = 64 << 10;
constexpr Milliseconds kWait{20000};

class RngRequest : public MachineTest {
 protected:
  void StartDriver(const std::string& file) {
    StartMachine(
        {"-object", "rng-random,id=r,filename=" + file, "-device", "virtio-rng-pci,rng=r,addr=5"});
    device.emplace(*bus, bus->At(5));
    device->Negotiate(0);
    queue.emplace(device->SetUpQueue(0, *heap));
    device->SetDriverOk();
  }
  uint64_t Status(const std::string& field) { return ReadStatusSize(qemu->process().pid(), field); }

  std::optional<VirtioPciDevice> device;
  std::optional<Virtqueue> queue;
};

// Eight descriptors that name the same 128 MiB: a request for one gigabyte.
TEST_F(RngRequest, CostsTheHostALittleMemoryWhateverItsSize) {
  StartDriver("/dev/urandom");
  constexpr uint32_t kSize = 128 * kMiB;
  const uint64_t buffer = heap->Allocate(kSize);
  std::fill_n(ram.begin() + static_cast<int64_t>(buffer), 2 * kMostAtATime, uint8_t{0xaa});
  const uint64_t before = Status("VmHWM");
  queue->Add(std::vector<VirtqueueBuffer>(8, {buffer, kSize, true}));
  device->Notify(0);

  const uint32_t written = queue->Wait(Deadline(kWait)).written;
  EXPECT_EQ(written, kMostAtATime);
  EXPECT_LT(Status("VmHWM"), before + 64 * kMiB);
  // The bytes are there, and nothing beyond the reported length was changed.
  const auto bytes = ram.subspan(buffer, 2 * kMostAtATime);
  EXPECT_LT(std::count(bytes.begin(), bytes.begin() + kMostAtATime, 0xaa), kMostAtATime / 64);
  EXPECT_EQ(std::count(bytes.begin() + kMostAtATime, bytes.end(), 0xaa), kMostAtATime);
}

TEST_F(RngRequest, AllBuffersOfAFullQueueAreServed) {
  StartDriver("/dev/urandom");
  constexpr uint32_t kSize = 48 << 10;
  const uint64_t buffer = heap->Allocate(8 * kSize);
  for (uint64_t i = 0; i < 8; ++i) queue->Add({{buffer + i * kSize, kSize, true}});
  device->Notify(0);
  for (uint16_t i = 0; i < 8; ++i) {
    const DriverQueue::Used used = queue->Wait(Deadline(kWait));
    EXPECT_EQ(used.head, i);
    EXPECT_GT(used.written, 0u);
  }
  EXPECT_EQ(device->Status() & virtio::kNeedsReset, 0);
}

// The back-end has nothing yet, and the driver notifies repeatedly.
TEST_F(RngRequest, IsNotMadeAnewWithEachNotification) {
  ASSERT_EQ(mkfifo((dir / "fifo").c_str(), 0600), 0);
  UniqueFd fifo(open((dir / "fifo").c_str(), O_RDWR | O_CLOEXEC));
  StartDriver((dir / "fifo").string());
  const uint64_t buffer = heap->Allocate(kMostAtATime);
  queue->Add({{buffer, kMostAtATime, true}});
  device->Notify(0);
  const uint64_t before = Status("VmData");
  for (int i = 0; i < 1000; ++i) device->Notify(0);
  EXPECT_LT(Status("VmData"), before + 16 * kMiB);

  WriteAll(fifo.get(), "entropy");
  EXPECT_EQ(queue->Wait(Deadline(kWait)).written, 7u);
  EXPECT_EQ(std::string(ram.begin() + static_cast<int64_t>(buffer),
                        ram.begin() + static_cast<int64_t>(buffer) + 7),
            "entropy");
}

TEST_F(RngRequest, WithNothingToWriteToBreaksTheDevice) {
  StartDriver("/dev/urandom");
  queue->Add({{heap->Allocate(16), 16, false}});
  queue->Add({{heap->Allocate(16), 16, true}});
  device->Notify(0);
  for (Deadline deadline(kWait); !(device->Status() & virtio::kNeedsReset);)
    ASSERT_FALSE(deadline.Passed()) << "the device does not report it";
  ExpectAlive();
  // The next driver finds a device that works.
  device->Negotiate(0);
  queue.emplace(device->SetUpQueue(0, *heap));
  device->SetDriverOk();
  queue->Add({{heap->Allocate(16), 16, true}});
  device->Notify(0);
  EXPECT_EQ(queue->Wait(Deadline(kWait)).written, 16u);
}

class RngUnplug : public MachineTest {
 protected:
  static constexpr uint32_t kSize = 16;

  /// Plugs a device into `slot` and makes it request kSize bytes at `buffer`.
  Virtqueue PlugAndAsk(const std::string& id, uint8_t slot, uint64_t buffer) {
    qmp().Execute("device_add", {{"driver", "virtio-rng-pci"},
                                 {"id", id},
                                 {"rng", "r"},
                                 {"bus", "bridge"},
                                 {"addr", std::to_string(slot)}});
    VirtioPciDevice device(*behind, behind->At(slot));
    device.Negotiate(0);
    Virtqueue queue = device.SetUpQueue(0, *heap);
    device.SetDriverOk();
    queue.Add({{buffer, kSize, true}});
    device.Notify(0);
    ExpectAlive();
    return queue;
  }

  std::optional<PciBus> behind;
};

// CVE-2026-50624. The first answer of the shared back-end belongs to a device that is gone.
TEST_F(RngUnplug, TheAnswerToADeviceThatIsGoneGoesNowhere) {
  ASSERT_EQ(mkfifo((dir / "fifo").c_str(), 0600), 0);
  UniqueFd fifo(open((dir / "fifo").c_str(), O_RDWR | O_CLOEXEC));
  StartMachine({"-device", "pci-bridge,id=bridge,chassis_nr=1,shpc=off,addr=2", "-object",
                "rng-random,id=r,filename=" + (dir / "fifo").string()});
  behind.emplace(bus->Behind(bus->At(2)));
  const uint64_t gone = heap->Allocate(kSize), stays = heap->Allocate(kSize);
  qtest().MemSet(gone, kSize, 0xaa);
  qtest().MemSet(stays, kSize, 0xaa);

  PlugAndAsk("gone", 5, gone);
  qmp().Execute("device_del", {{"id", "gone"}});
  PciHotplug(qtest(), qmp(), "bridge").Eject(5);
  qmp().WaitEvent("DEVICE_DELETED");
  Virtqueue queue = PlugAndAsk("stays", 6, stays);

  WriteAll(fifo.get(), std::string(kSize, 'g') + std::string(kSize, 's'));
  EXPECT_EQ(queue.Wait(Deadline(kWait)).written, kSize);
  EXPECT_EQ(qtest().MemRead(stays, kSize), std::vector<uint8_t>(kSize, 's'));
  EXPECT_EQ(qtest().MemRead(gone, kSize), std::vector<uint8_t>(kSize, 0xaa));
  ExpectAlive();
}

}  // namespace
}  // namespace stx
