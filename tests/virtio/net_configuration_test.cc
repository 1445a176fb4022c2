// SPDX-License-Identifier: GPL-2.0-or-later
// What a driver of virtio-net reads of its card (virtio 1.2, section 5.1.4): configuration,
// features and the state of the link.

#include <algorithm>

#include "base/pattern.h"
#include "harness/qemu/contract.h"
#include "virtio/net_fixture.h"

namespace stx {
namespace {

TEST_F(Net, TheConfigurationSaysWhatTheCardIs) {
  Covers({"virtio 5.1.4.1 pairs", "virtio 5.1.4.1 mtu", "virtio 5.1.4.1 speed",
          "virtio 5.1.4.1 duplex"});
  Start(",host_mtu=1400,speed=25000,duplex=full,rx_queue_size=512,tx_queue_size=256");
  std::string mac;
  for (uint32_t i = 0; i < 6; ++i) mac += static_cast<char>(device->ConfigB(i));
  EXPECT_EQ(mac, Raw(kOwn));
  EXPECT_EQ(Status(), kLinkUp);
  EXPECT_EQ(device->ConfigW(8), 1) << "max_virtqueue_pairs";
  EXPECT_EQ(device->ConfigW(10), 1400) << "mtu";
  EXPECT_EQ(device->ConfigL(12), 25000u) << "speed";
  EXPECT_EQ(device->ConfigB(16), 0x01) << "full duplex";
  EXPECT_EQ(device->QueueMaxSize(kReceive), 512);
  EXPECT_EQ(device->QueueMaxSize(kTransmit), 256);
  EXPECT_EQ(device->QueueMaxSize(kControl), 64);
  EXPECT_EQ(device->QueueMaxSize(3), 0);
  EXPECT_EQ(device->QueueCount(), 3);
}

TEST_F(Net, FeaturesFollowFromTheOptions) {
  Covers({"virtio 2.2.2 requires"});
  const std::vector<int> always{kMacFeature, kMergeable,   kStatus,   kCtrl,   kCtrlRx,
                                kCtrlVlan,   kCtrlRxExtra, kAnnounce, kCtrlMac};
  const struct {
    const char* options;
    std::vector<int> lost, gained;
  } cases[] = {
      {"", {}, {}},
      {",host_mtu=1400", {}, {kMtu}},
      {",mq=on", {}, {kMultiqueue}},
      {",speed=1000", {}, {kSpeedDuplex}},
      {",duplex=half", {}, {kSpeedDuplex}},
      {",mrg_rxbuf=off", {kMergeable}, {}},
      {",status=off", {kStatus}, {}},
      {",ctrl_rx=off", {kCtrlRx}, {}},
      {",ctrl_rx_extra=off", {kCtrlRxExtra}, {}},
      {",ctrl_vlan=off", {kCtrlVlan}, {}},
      {",ctrl_mac_addr=off", {kCtrlMac}, {}},
      {",guest_announce=off", {kAnnounce}, {}},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.options);
    Start(c.options);
    std::vector<int> expected = always;
    for (int feature : c.lost) std::erase(expected, feature);
    expected.insert(expected.end(), c.gained.begin(), c.gained.end());
    const uint64_t offered = device->OfferedFeatures();
    for (int bit = 0; bit < 64; ++bit) {
      // Of the transport, or GUEST_OFFLOADS, which needs what the wire cannot do.
      if ((bit >= 24 && bit <= 40) || bit == 2) continue;
      EXPECT_EQ(bool(offered & virtio::Bit(bit)),
                std::count(expected.begin(), expected.end(), bit) == 1)
          << bit;
    }
  }
}

TEST_F(Net, TheMtuStaysAndIsForwardedWhole) {
  Covers({"virtio 5.1.4.1 mtu-constant", "virtio 5.1.4.1 mtu-transmit"});
  for (uint16_t mtu : {68, 1400, 9000, 65535 - 22}) {
    Start(",host_mtu=" + std::to_string(mtu));
    EXPECT_EQ(device->ConfigW(10), mtu);
    for (uint64_t features : {Bits({kMacFeature, kMtu}), Bits({kMacFeature})}) {
      StartDriver(features);
      EXPECT_EQ(device->ConfigW(10), mtu);
      for (size_t size : {size_t{mtu} - 1, size_t{mtu}}) {
        const std::string frame = Frame(kOther, MakePattern(size, mtu));
        Transmit(frame);
        device->Notify(kTransmit);
        queues[kTransmit].Wait(Deadline(kWait));
        EXPECT_TRUE(wire.Receive() == frame) << size;
      }
      device->Reset();
      EXPECT_EQ(device->ConfigW(10), mtu);
    }
    qmp().Execute("set_link", {{"name", "nic"}, {"up", false}});
    EXPECT_EQ(device->ConfigW(10), mtu);
  }
}

TEST_F(Net, TheLinkGoesDownAndUp) {
  Covers({"virtio 4.1.4.5.1 config-bit"});
  Start();
  StartDriver(Bits({kMacFeature, kMergeable, kStatus}));
  OfferMany(4);
  device->Isr();
  qmp().Execute("set_link", {{"name", "nic"}, {"up", false}});
  EXPECT_EQ(Status(), 0);
  EXPECT_EQ(device->Isr() & 2, 2) << "the configuration has changed";
  wire.Send(Frame(kOwn, "while it is down"));
  Transmit(Frame(kOther, "into a cable that is not there"));
  device->Notify(kTransmit);
  queues[kTransmit].Wait(Deadline(kWait));
  qmp().Execute("set_link", {{"name", "nic"}, {"up", true}});
  EXPECT_EQ(Status(), kLinkUp);
  EXPECT_EQ(device->Isr() & 2, 2);
  qmp().Execute("set_link", {{"name", "nic"}, {"up", true}});
  EXPECT_EQ(device->Isr() & 2, 0) << "nothing has changed";
  Transmit(Frame(kOther, "up"));
  device->Notify(kTransmit);
  EXPECT_TRUE(wire.Receive() == Frame(kOther, "up"));
}

}  // namespace
}  // namespace stx
