// SPDX-License-Identifier: GPL-2.0-or-later
// virtio-pmem-reset.patch (CVE-2026-63323): a flush is in progress when the driver resets the
// device.

#include <thread>

#include "harness/host/slow_fsync.h"
#include "harness/qemu/device_types.h"
#include "harness/qemu/guest_heap.h"
#include "harness/qemu/pci.h"
#include "harness/qemu/qemu.h"
#include "harness/virtio/virtio_pci.h"

#include <gtest/gtest.h>

namespace stx {
namespace {

constexpr Milliseconds kWait{20000};

// The driver resets the device while a flush is delayed, and reuses the memory.
TEST(PmemReset, LeavesNoAnswerForTheNextDriver) {
  if (!HasDeviceType("virtio-pmem-pci")) GTEST_SKIP() << "$QEMU has no virtio-pmem-pci";
  TempDir dir;
  WriteFile(dir / "pmem", std::string(2 << 20, '\0'));
  QemuOptions options;
  options.qtest = true;
  SlowFsync fsync;
  options.spawn.environment = fsync.Environment();
  options.args = {"-nodefaults",
                  "-M",
                  "q35",
                  "-m",
                  "64M,slots=1,maxmem=1G",
                  "-object",
                  "memory-backend-file,id=m,size=2M,share=on,mem-path=" + (dir / "pmem").string(),
                  "-device",
                  "virtio-pmem-pci,memdev=m,addr=5"};
  Qemu qemu(std::move(options));
  QTest& qtest = qemu.qtest();
  PciBus bus(qtest);
  VirtioPciDevice device(bus, bus.At(5));
  GuestHeap heap(16 << 20, 16 << 20);
  device.Negotiate(0);
  Virtqueue first = device.SetUpQueue(0, heap);
  device.SetDriverOk();
  const uint64_t request = heap.Allocate(4), response = heap.Allocate(4);
  qtest.WriteL(request, 0);
  qtest.WriteL(response, 0xaaaaaaaa);
  fsync.Hold();
  first.Add({{request, 4, false}, {response, 4, true}});
  device.Notify(0);

  // The flush goes on while the reset waits for it or, on a QEMU that does not wait, after the
  // reset. Nothing can be observed while it waits, so this is a delay.
  std::thread opener([&] {
    std::this_thread::sleep_for(Milliseconds(500));
    fsync.Release();
  });
  device.Reset();
  const bool answered = first.Take().has_value();
  opener.join();
  EXPECT_TRUE(answered) << "the flush is done with when the reset is";
  const uint64_t next = heap.Allocate(4);
  qtest.WriteL(response, 0xbbbbbbbb);
  qtest.WriteL(next, 0xcccccccc);
  device.Negotiate(0);
  Virtqueue second = device.SetUpQueue(0, heap);
  device.SetDriverOk();
  second.Add({{request, 4, false}, {next, 4, true}});
  device.Notify(0);
  const DriverQueue::Used used = second.Wait(Deadline(kWait));
  EXPECT_EQ(used.head, 0);
  EXPECT_EQ(used.written, 4u);
  EXPECT_EQ(qtest.ReadL(next), 0u);
  EXPECT_EQ(qtest.ReadL(response), 0xbbbbbbbb) << "memory of the driver that was reset";
  EXPECT_FALSE(second.Take()) << "an answer to nothing";
  EXPECT_EQ(device.Status() & virtio::kNeedsReset, 0);
}

}  // namespace
}  // namespace stx
