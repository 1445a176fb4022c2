// SPDX-License-Identifier: GPL-2.0-or-later
// mem-lock-guest-ram.patch: devices next to locked memory. None may end QEMU if its own memory
// cannot be locked, and a balloon does not take locked memory.

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <memory>
#include <vector>

#include "harness/qemu/guest_heap.h"
#include "harness/qemu/pci.h"
#include "harness/virtio/virtio_pci.h"
#include "series/mem_lock_machines.h"

namespace stx {
namespace {

/// A running machine with buses of the usual kinds that may lock `room` bytes more than it has
/// locked.
std::unique_ptr<Qemu> MachineWithLittleRoom(uint64_t room) {
  auto qemu = std::make_unique<Qemu>(
      Limited(SmallMachine("on", {"-machine", "pc", "-device", "virtio-serial-pci", "-device",
                                  "virtio-scsi-pci", "-device", "qemu-xhci"}),
              kSmallLimit));
  qemu->qmp();
  const rlimit limit{Locked(*qemu) + room, Locked(*qemu) + room};
  if (prlimit(qemu->process().pid(), RLIMIT_MEMLOCK, &limit, nullptr) != 0) ThrowErrno("prlimit");
  return qemu;
}

TEST_F(MemLockLimit, EndsNoQemuWhateverDeviceIsPlugged) {
  constexpr uint64_t kRoom = 8 * kKiB;
  constexpr int kDevicesPerMachine = 20;
  std::unique_ptr<Qemu> qemu = MachineWithLittleRoom(kRoom);
  const json types =
      qemu->qmp().Execute("qom-list-types", {{"implements", "device"}, {"abstract", false}});
  ASSERT_GT(types.size(), 100U);
  int refused = 0, plugged = 0;
  for (const json& type : types) {
    const std::string name = type["name"];
    if (plugged == kDevicesPerMachine) {
      qemu = MachineWithLittleRoom(kRoom);
      plugged = 0;
    }
    try {
      qemu->qmp().Execute("device_add", {{"driver", name}, {"id", "x" + std::to_string(plugged)}});
      ++plugged;
    } catch (const QmpError& error) {
      refused += error.desc().find("RLIMIT_MEMLOCK") != std::string::npos;
    } catch (const std::runtime_error& error) {
      ADD_FAILURE() << "QEMU ends with " << name << ": " << error.what() << "\n" << qemu->Report();
      qemu = MachineWithLittleRoom(kRoom);
      plugged = 0;
    }
  }
  EXPECT_GT(refused, 0) << "no device needed more than there was: the limit shows nothing";
}

class MemLockBalloon : public MemLockGuestRam, public testing::WithParamInterface<const char*> {};

TEST_P(MemLockBalloon, TakesNothingOfWhatIsLocked) {
  const std::string ram = std::string(GetParam()) + ",id=ram,size=64M";
  QemuOptions options;
  options.qtest = true;
  options.args = {"-M",
                  "q35,memory-backend=ram",
                  "-m",
                  "64M",
                  "-nodefaults",
                  "-object",
                  ram,
                  "-overcommit",
                  "mem-lock=on",
                  "-device",
                  "virtio-balloon-pci,addr=5,disable-legacy=on"};
  Qemu qemu(std::move(options));
  qemu.qmp();
  const auto resident = [&] {
    for (const Mapping& mapping : ReadMappings(qemu.process().pid()))
      if (mapping.size() == kRam) return mapping.resident;
    throw std::runtime_error("no mapping of the guest's RAM\n" + qemu.Report());
  };
  ASSERT_EQ(resident(), kRam);
  PciBus bus(qemu.qtest());
  VirtioPciDevice device(bus, bus.At(5));
  device.Negotiate(0);
  GuestHeap heap(kMiB, 8 * kMiB);
  Virtqueue inflate = device.SetUpQueue(0, heap);
  device.SetUpQueue(1, heap);
  device.SetDriverOk();
  constexpr uint32_t kPages = 256;  // one message of the driver (virtio 1.2, section 5.5.6)
  const uint64_t numbers = heap.Allocate(kPages * sizeof(uint32_t));
  for (uint32_t first = 32 * kMiB / 4096; first < 48 * kMiB / 4096; first += kPages) {
    std::vector<uint32_t> list(kPages);
    for (uint32_t i = 0; i < kPages; ++i) list[i] = first + i;
    qemu.qtest().MemWrite(numbers, list.data(), kPages * sizeof(uint32_t));
    inflate.Add({{numbers, kPages * sizeof(uint32_t), /*device_writes=*/false}});
    device.Notify(0);
    inflate.Wait(Deadline(Milliseconds(20000)));
  }
  EXPECT_EQ(resident(), kRam);
  EXPECT_EQ(qemu.process().Stderr(), "") << "messages that the guest drives";
}

INSTANTIATE_TEST_SUITE_P(, MemLockBalloon,
                         testing::Values("memory-backend-ram", "memory-backend-memfd,share=on"),
                         [](const auto& info) {
                           return std::string(info.param).find("memfd") == std::string::npos
                                      ? "Anonymous"
                                      : "SharedMemfd";
                         });

}  // namespace
}  // namespace stx
