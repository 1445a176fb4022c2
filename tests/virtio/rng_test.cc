// SPDX-License-Identifier: GPL-2.0-or-later
// The example in harness/README.md.

#include "harness/qemu/machine_test.h"
#include "harness/virtio/virtio_pci.h"

namespace stx {
namespace {

class Rng : public MachineTest {};

TEST_F(Rng, GivesTheBytesOfItsFile) {
  WriteFile(dir / "entropy", "0123456789abcdef");
  StartMachine({"-object", "rng-random,id=r,filename=" + (dir / "entropy").string(), "-device",
                "virtio-rng-pci,rng=r,addr=5"});
  VirtioPciDevice device(*bus, bus->At(5));
  device.Negotiate(0);
  Virtqueue queue = device.SetUpQueue(0, *heap);
  device.SetDriverOk();

  const uint64_t buffer = heap->Allocate(16);
  queue.Add({{buffer, 16, /*device_writes=*/true}});
  device.Notify(0);
  EXPECT_EQ(queue.Wait(Deadline(Milliseconds(5000))).written, 16u);
  const std::vector<uint8_t> bytes = qtest().MemRead(buffer, 16);
  EXPECT_EQ(std::string(bytes.begin(), bytes.end()), "0123456789abcdef");
}

}  // namespace
}  // namespace stx
