// SPDX-License-Identifier: GPL-2.0-or-later
// Devices and objects that leave something behind when they are removed, which is used later.
//   SerialUnplug   serial-unplug-watch.patch: output waits for a client that does not read
//   Leftovers      unplug-leftovers.patch

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness/qemu/acpi_hotplug.h"
#include "harness/qemu/device_types.h"
#include "harness/qemu/machine_test.h"

namespace stx {
namespace {

constexpr uint16_t kData = 0, kLineStatus = 5;
constexpr uint8_t kTransmitterEmpty = 0x40;
constexpr uint8_t kSlot = 5;
constexpr Milliseconds kTimeout{10000};

class UnplugFaults : public MachineTest {
 protected:
  void Start(std::vector<std::string> args) {
    args.insert(args.end(), {"-device", "pci-bridge,id=br,chassis_nr=1,shpc=off,addr=2"});
    StartMachine(args);
    bridge.emplace(bus->Behind(bus->At(2)));
  }
  void Unplug(const std::string& id) {
    qmp().Execute("device_del", {{"id", id}});
    PciHotplug(qtest(), qmp(), "br").Eject(kSlot);
    qmp().WaitEvent("DEVICE_DELETED", kTimeout,
                    [&](const json& event) { return event["data"].value("device", "") == id; });
  }
  /// Checks that a device can be plugged and found.
  void ExpectPlugWorks(const std::string& slot) {
    qmp().Execute(
        "device_add",
        {{"driver", "virtio-rng-pci"}, {"id", "rng" + slot}, {"bus", "br"}, {"addr", slot}});
    EXPECT_TRUE(bridge->At(static_cast<uint8_t>(std::stoi(slot, nullptr, 16))).IsPresent());
    ExpectAlive();
  }

  std::optional<PciBus> bridge;
};

class Leftovers : public UnplugFaults, public testing::WithParamInterface<const char*> {};

TEST_P(Leftovers, OfADeviceAreNoneAndItComesAgain) {
  if (!HasDeviceType(GetParam())) GTEST_SKIP() << "$QEMU has no " << GetParam();
  Start({});
  for (int i = 0; i < 3; ++i) {
    qmp().Execute("device_add",
                  {{"driver", GetParam()}, {"id", "d"}, {"bus", "br"}, {"addr", "05"}});
    EXPECT_TRUE(bridge->At(kSlot).IsPresent());
    Unplug("d");
    EXPECT_FALSE(bridge->At(kSlot).IsPresent());
    ExpectAlive();
  }
  ExpectPlugWorks("08");
}

INSTANTIATE_TEST_SUITE_P(Of, Leftovers, testing::Values("dc390", "i82801b11-bridge", "rocker"),
                         [](const auto& type) {
                           const std::string name = type.param;
                           return name.substr(0, name.find('-'));
                         });

TEST_F(UnplugFaults, ACryptodevOfTheKernelComesAndGoes) {
  if (!HasObjectType("cryptodev-backend-lkcf")) GTEST_SKIP() << "$QEMU has no such back-end";
  StartMachine({});
  for (int i = 0; i < 2; ++i) {
    qmp().Execute("object-add", {{"qom-type", "cryptodev-backend-lkcf"}, {"id", "c"}});
    qmp().Execute("object-del", {{"id", "c"}});
    ExpectAlive();
    EXPECT_THROW(
        qmp().Execute("object-add",
                      {{"qom-type", "cryptodev-backend-lkcf"}, {"id", "c"}, {"queues", 2}}),
        QmpError);
    ExpectAlive();
  }
}

class SerialUnplug : public UnplugFaults, public testing::WithParamInterface<const char*> {
 protected:
  /// Plugs the port; returns the I/O address of its registers.
  uint16_t Plug(const std::string& chardev) {
    json device{{"driver", GetParam()}, {"id", "serial"}, {"bus", "br"}, {"addr", "05"}};
    device[std::string(GetParam()) == "pci-serial" ? "chardev" : "chardev1"] = chardev;
    qmp().Execute("device_add", device);
    return static_cast<uint16_t>(bridge->Enable(bridge->At(kSlot))[0]);
  }
};

TEST_P(SerialUnplug, WhileItsOutputWaitsAndTheNextOneWorks) {
  if (!HasDeviceType(GetParam())) GTEST_SKIP() << "$QEMU has no " << GetParam();
  std::vector<std::string> args{"-chardev",
                                "socket,id=c,server=on,wait=off,path=" + (dir / "serial").string()};
  Start(args);
  UniqueFd client = ConnectUnix(dir / "serial", Deadline(kTimeout));

  const uint16_t port = Plug("c");
  // Write until the client's socket is full, so that the port keeps the last byte and waits.
  int written = 0;
  for (const Deadline deadline(Milliseconds(60000));
       qtest().InB(port + kLineStatus) & kTransmitterEmpty; ++written) {
    ASSERT_FALSE(deadline.Passed());
    for (int i = 0; i < 64; ++i) qtest().OutB(port + kData, 'A');
  }
  ASSERT_GT(written, 0);
  Unplug("serial");

  // Reuse the freed memory, and let the client read, which wakes everything that waits for it.
  qmp().Execute("object-add", {{"qom-type", "rng-builtin"}, {"id", "r"}});
  for (const char* slot : {"08", "09", "0a", "0b"})
    qmp().Execute("device_add", {{"driver", "virtio-rng-pci"},
                                 {"id", std::string("rng") + slot},
                                 {"rng", "r"},
                                 {"bus", "br"},
                                 {"addr", slot}});
  std::string got(1 << 20, '\0');
  while (WaitFor(client.get(), POLLIN, Deadline(Milliseconds(200)))) {
    const ssize_t n = read(client.get(), got.data(), got.size());
    ASSERT_GT(n, 0);
    ASSERT_EQ(got.find_first_not_of('A', 0), static_cast<size_t>(n));
    std::fill_n(got.begin(), n, '\0');
    ExpectAlive();
  }

  const uint16_t again = Plug("c");
  for (char c : std::string("hello")) {
    qtest().OutB(again + kData, static_cast<uint8_t>(c));
    for (const Deadline deadline(kTimeout);
         !(qtest().InB(again + kLineStatus) & kTransmitterEmpty);)
      ASSERT_FALSE(deadline.Passed());
  }
  ASSERT_TRUE(WaitFor(client.get(), POLLIN, Deadline(kTimeout)));
  const ssize_t n = read(client.get(), got.data(), got.size());
  EXPECT_EQ(got.substr(0, static_cast<size_t>(n)), "hello");
  ExpectAlive();
}

INSTANTIATE_TEST_SUITE_P(Of, SerialUnplug, testing::Values("pci-serial", "pci-serial-2x"),
                         [](const auto& type) {
                           return std::string(type.param) == "pci-serial" ? "One" : "Two";
                         });

}  // namespace
}  // namespace stx
