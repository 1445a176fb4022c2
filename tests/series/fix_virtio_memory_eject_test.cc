// SPDX-License-Identifier: GPL-2.0-or-later
// virtio-memory-eject.patch: a guest ejects virtio-mem or virtio-pmem without a request, through
// ACPI and through the slot of a root port.

#include "harness/qemu/acpi_hotplug.h"
#include "harness/qemu/device_types.h"
#include "harness/qemu/machine_test.h"
#include "harness/virtio/virtio_pci.h"

namespace stx {
namespace {

constexpr uint8_t kBridgeSlot = 2, kSlot = 5;

struct Memory {
  const char* name;
  const char* driver;
  uint16_t type;  ///< of the virtio device
  friend void PrintTo(const Memory& m, std::ostream* out) { *out << m.name; }
};

class MemoryEject : public MachineTest, public testing::WithParamInterface<Memory> {
 protected:
  /// The memory device is in `slot` behind `bridge`. Without `acpi`, the bridge's native hot-plug
  /// is used.
  void StartMemory(const std::string& bridge, uint8_t slot, const std::string& acpi = "on") {
    if (!HasDeviceType(GetParam().driver)) GTEST_SKIP() << "$QEMU has no " << GetParam().driver;
    StartMachine(
        {"-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=" + acpi, "-device",
         bridge + ",id=bridge,addr=2", "-object", "memory-backend-ram,id=m,size=64M", "-device",
         std::string(GetParam().driver) +
             ",id=mem,memdev=m,bus=bridge,addr=" + std::to_string(slot)},
        "q35", "256M,slots=2,maxmem=4G");
    behind.emplace(bus->Behind(bus->At(kBridgeSlot)));
    this->slot = slot;
  }
  /// Checks that the device is still there, answers its driver, and is known to the monitor.
  void ExpectStays() {
    ExpectAlive();
    if (HasFailure()) return;
    EXPECT_EQ(behind->At(slot).device(), virtio::PciId(GetParam().type));
    VirtioPciDevice device(*behind, behind->At(slot));
    device.Negotiate(0);
    device.SetUpQueue(0, *heap);
    device.SetDriverOk();
    EXPECT_EQ(device.Status() & virtio::kNeedsReset, 0);
    const json devices = qmp().Execute("query-memory-devices");
    ASSERT_EQ(devices.size(), 1u);
    EXPECT_EQ(devices[0]["data"]["id"], "mem");
  }

  std::optional<PciBus> behind;
  uint8_t slot = 0;
};

TEST_P(MemoryEject, ByAcpi) {
  StartMemory("pci-bridge,chassis_nr=1,shpc=off", kSlot);
  if (IsSkipped()) return;
  PciHotplug(qtest(), qmp(), "bridge").Eject(kSlot);
  ExpectStays();
}

// PCI Express 4.0, section 7.5.3.10: Power Controller Control off, and both indicators off.
TEST_P(MemoryEject, ByTheSlotOfARootPort) {
  StartMemory("pcie-root-port,chassis=1,slot=1", 0, "off");
  if (IsSkipped()) return;
  constexpr uint8_t kPciExpress = 0x10, kSlotControl = 0x18;
  const PciDevice port = bus->At(kBridgeSlot);
  const auto control =
      static_cast<uint8_t>(port.FindCapabilities(kPciExpress).at(0) + kSlotControl);
  port.WriteW(control, 0x0140 | 0x0080);  // power indicator on, attention indicator on, power on
  port.WriteW(control, 0x07c0);           // both indicators off, power off
  port.WriteW(control, 0x0140);           // on again, so that a device that is still there can be
                                          // seen
  ExpectStays();
}

INSTANTIATE_TEST_SUITE_P(Devices, MemoryEject,
                         testing::Values(Memory{"Mem", "virtio-mem-pci", 24},
                                         Memory{"Pmem", "virtio-pmem-pci", 27}),
                         [](const auto& memory) { return memory.param.name; });

}  // namespace
}  // namespace stx
