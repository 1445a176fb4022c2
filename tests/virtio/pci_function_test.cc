// SPDX-License-Identifier: GPL-2.0-or-later
// What a driver may rely on of a virtio function on PCI (virtio 1.2, sections 4.1.1 to 4.1.4): ids,
// its header, BARs and capabilities.

#include <map>

#include "virtio/pci_fixture.h"

namespace stx {
namespace {

using enum virtio_pci::Common;

TEST_F(VirtioPci, IdsSayWhichDeviceItIs) {
  Covers({"virtio 4.1.2.1 vendor", "virtio 4.1.2.1 device-id", "virtio 6.2 version-1",
          "virtio 6.2 sr-iov"});
  const struct {
    const char *device, *options;
    uint16_t modern, transitional;
  } devices[] = {
      {"virtio-net-pci", ",romfile=", 0x1041, 0x1000},
      {"virtio-blk-pci", ",drive=d", 0x1042, 0x1001},
      {"virtio-serial-pci", "", 0x1043, 0x1003},
      {"virtio-rng-pci", "", 0x1044, 0x1005},
      {"virtio-scsi-pci", "", 0x1048, 0x1004},
  };
  for (const auto& each : devices)
    for (bool legacy : {false, true}) {
      SCOPED_TRACE(std::string(each.device) + (legacy ? " transitional" : ""));
      WriteFile(dir / "disk", std::string(1 << 20, '\0'));
      StartMachine({"-blockdev", "driver=file,node-name=d,filename=" + (dir / "disk").string(),
                    "-device",
                    each.device + std::string(",addr=5,disable-legacy=") + (legacy ? "off" : "on") +
                        each.options});
      const PciDevice pci = bus->At(5);
      EXPECT_EQ(pci.vendor(), 0x1af4);
      EXPECT_EQ(pci.device(), legacy ? each.transitional : each.modern);
      EXPECT_EQ(pci.ReadB(8) >= 1, !legacy) << "revision";
      EXPECT_EQ(pci.ReadW(0x2c), 0x1af4) << "subsystem vendor";
      if (legacy) {
        EXPECT_EQ(pci.ReadW(0x2e), each.modern - 0x1040) << "subsystem";
      }
      VirtioPciDevice modern(*bus, pci);
      EXPECT_TRUE(modern.OfferedFeatures() & virtio::Bit(virtio::kFeatureVersion1));
      EXPECT_FALSE(modern.OfferedFeatures() & virtio::Bit(37)) << "SR_IOV";
    }
}

TEST_F(VirtioPci, TheFunctionIsOneOfPci) {
  Covers({"virtio 4.1.1 pci"});
  Start();
  const PciDevice& pci = device->pci();
  // What identifies the function is not written (PCI Local Bus 3.0, section 6.1).
  for (uint8_t offset : {0x00, 0x08, 0x2c}) {
    const uint32_t before = pci.ReadL(offset);
    pci.WriteL(offset, ~before);
    EXPECT_EQ(pci.ReadL(offset), before) << int{offset};
  }
  EXPECT_EQ(pci.ReadB(0x0e), 0) << "an ordinary function, alone in its slot";
  EXPECT_EQ(pci.ReadL(0x08) >> 8, 0x010000u) << "a SCSI controller: virtio-blk";
  EXPECT_EQ(pci.ReadB(0x3d), 1) << "INTA";
  pci.WriteL(0x3c, 11);
  EXPECT_EQ(pci.ReadL(0x3c) & 0xffff, 0x100u | 11) << "the line is a scratch register";
  // The list of capabilities: aligned, in the header's upper part, and with an end (6.7).
  ASSERT_TRUE(pci.ReadW(0x06) & 0x10);
  int count = 0;
  for (uint8_t at = pci.ReadB(pci::kCapabilities); at;
       at = pci.ReadB(static_cast<uint8_t>(at + 1))) {
    EXPECT_EQ(at % 4, 0);
    EXPECT_GE(at, 0x40);
    ASSERT_LT(++count, 48) << "no end";
  }
  EXPECT_GE(count, 6) << "five of virtio, and MSI-X";
  // BARs: their size is what sticks of all ones, a power of two (6.2.5.1).
  for (size_t i = 0; i < 6; ++i) {
    const auto offset = static_cast<uint8_t>(pci::kBar0 + 4 * i);
    const uint32_t before = pci.ReadL(offset);
    if (!device->bars().at(i)) continue;
    pci.WriteL(offset, 0xffffffff);
    const uint32_t mask = pci.ReadL(offset) & (before & 1 ? ~3u : ~15u), size = ~mask + 1;
    EXPECT_EQ(size & (size - 1), 0u) << i;
    EXPECT_EQ(device->bars()[i] % size, 0u) << i;
    pci.WriteL(offset, before);
    EXPECT_EQ(pci.ReadL(offset), before) << i;
  }
  // Decoding is the command register's.
  const uint16_t command = pci.ReadW(pci::kCommand);
  EXPECT_EQ(qtest().ReadW(At(kNumQueues)), 1);
  pci.WriteW(pci::kCommand, static_cast<uint16_t>(command & ~pci::kCommandMemory));
  EXPECT_NE(qtest().ReadW(At(kNumQueues)), 1) << "nothing answers there";
  pci.WriteW(pci::kCommand, command);
  EXPECT_EQ(qtest().ReadW(At(kNumQueues)), 1);
  StartDriver();
  // The interrupt line is the command register's, too; Interrupt Status is not.
  pci.WriteW(pci::kCommand, static_cast<uint16_t>(command | 1 << 10));
  ExpectServed();
  WaitUntil("the interrupt", Deadline(kWait), [&] { return InterruptStatus(); });
  pci.WriteW(pci::kCommand, command);
}

TEST_F(VirtioPci, CapabilitiesLieWhereTheyMay) {
  Covers({"virtio 4.1.4.2 cap-len", "virtio 4.1.4.3.1 aligned", "virtio 4.1.4.3.1 present",
          "virtio 4.1.4.4.1 present", "virtio 4.1.4.4.1 aligned", "virtio 4.1.4.4.1 multiplier",
          "virtio 4.1.4.4.1 length", "virtio 4.1.4.5.1 present", "virtio 4.1.4.6.1 aligned",
          "virtio 4.1.4.9.1 present"});
  Start(",num-queues=5");
  std::map<int, int> seen;
  for (uint8_t cap : device->pci().FindCapabilities(pci::kCapabilityVendor)) {
    const auto field = [&](int offset) {
      return device->pci().ReadL(static_cast<uint8_t>(cap + offset));
    };
    const int type = device->pci().ReadB(static_cast<uint8_t>(cap + 3)),
              length = device->pci().ReadB(static_cast<uint8_t>(cap + 2)),
              bar = device->pci().ReadB(static_cast<uint8_t>(cap + 4));
    ++seen[type];
    EXPECT_EQ(length, type == 2 || type == 5 ? 20 : 16) << type;
    if (type == 5) continue;
    EXPECT_NE(device->bars().at(static_cast<size_t>(bar)), 0u) << type;
    EXPECT_EQ(field(8) % 4, 0u) << type;
    if (type == 1) {
      EXPECT_GE(field(12), 56u);
    }
    if (type == 2) {
      EXPECT_EQ(field(16), 4u) << "a doorbell of four bytes for each queue";
      EXPECT_GE(field(12), 5 * 4u);
    }
    if (type == 4) {
      EXPECT_GE(field(12), 57u) << "as long as the configuration";
    }
  }
  EXPECT_EQ(seen, (std::map<int, int>{{1, 1}, {2, 1}, {3, 1}, {4, 1}, {5, 1}}));
  for (uint16_t i = 0; i < 5; ++i) {
    qtest().WriteW(At(kQueueSelect), i);
    EXPECT_EQ(qtest().ReadW(At(kQueueNotifyOff)), i);
  }
}

TEST_F(VirtioPci, TheConfigurationSpaceOfPciReachesTheBars) {
  Covers({"virtio 4.1.4.9.1 write", "virtio 4.1.4.9.1 read"});
  Start();
  uint8_t window = 0, common_bar = 0;
  uint32_t common_offset = 0;
  for (uint8_t cap : device->pci().FindCapabilities(pci::kCapabilityVendor)) {
    const int type = device->pci().ReadB(static_cast<uint8_t>(cap + 3));
    if (type == 5) window = cap;
    if (type == 1) {
      common_bar = device->pci().ReadB(static_cast<uint8_t>(cap + 4));
      common_offset = device->pci().ReadL(static_cast<uint8_t>(cap + 8));
    }
  }
  ASSERT_NE(window, 0);
  const PciDevice& pci = device->pci();
  const auto point = [&](uint32_t offset, uint32_t length) {
    pci.WriteL(static_cast<uint8_t>(window + 4), common_bar);
    pci.WriteL(static_cast<uint8_t>(window + 8), common_offset + offset);
    pci.WriteL(static_cast<uint8_t>(window + 12), length);
  };
  const auto data = static_cast<uint8_t>(window + 16);
  point(kNumQueues, 2);
  EXPECT_EQ(pci.ReadL(data) & 0xffff, 1u);
  point(kDeviceFeatureSelect, 4);
  pci.WriteL(data, 1);
  EXPECT_EQ(qtest().ReadL(At(kDeviceFeatureSelect)), 1u);
  EXPECT_EQ(pci.ReadL(data), 1u);
  point(kDeviceStatus, 1);
  pci.WriteL(data, virtio::kAcknowledge);
  EXPECT_EQ(device->Status(), virtio::kAcknowledge);
  EXPECT_EQ(pci.ReadL(data) & 0xff, virtio::kAcknowledge);
  point(kQueueSize, 2);
  pci.WriteL(data, 32);
  EXPECT_EQ(qtest().ReadW(At(kQueueSize)), 32);
}

}  // namespace
}  // namespace stx
