// SPDX-License-Identifier: GPL-2.0-or-later
// The control queue of virtio-net (virtio 1.2, section 5.1.6.5): the receive filter that a driver
// sets, and what each command answers.

#include "base/waiting.h"
#include "harness/qemu/contract.h"
#include "virtio/net_fixture.h"

namespace stx {
namespace {

class NetFilter : public Net {
 protected:
  static constexpr uint64_t kFeatures =
      Bits({kMacFeature, kMergeable, kCtrl, kCtrlRx, kCtrlRxExtra, kCtrlMac});
  void Begin(uint64_t features = kFeatures) {
    StartDriver(features);
    EXPECT_EQ(SetMode(kPromiscuous, false), kAck);
  }
  /// Which of these receivers' frames pass, as the letters of their names.
  std::string Passes() {
    const std::pair<char, Address> receivers[] = {
        {'o', kOwn},       {'u', kOther}, {'l', kListed},   {'L', kListedToo},
        {'b', kBroadcast}, {'g', kGroup}, {'G', kGroupToo}, {'x', kOtherGroup},
    };
    OfferMany(9);
    for (const auto& [name, to] : receivers) wire.Send(Frame(to, std::string(1, name)));
    WaitDecided();
    const std::string last = Frame(kOwn, "last");
    SetMode(kPromiscuous, true);  // any filter may be set
    wire.Send(last);
    std::string names;
    for (const std::string& frame : ReceiveUntil(last)) names += frame[14];
    SetMode(kPromiscuous, false);
    return names;
  }
  /// The device has decided on all frames that were sent: QEMU has taken them from the wire, and
  /// its main loop, which did that, has answered since.
  void WaitDecided() {
    WaitUntil("the wire is empty", Deadline(kWait), [&] { return wire.Sent() == 0; });
    qmp().Execute("query-status");
  }
  static std::string Table(const std::vector<Address>& unicast,
                           const std::vector<Address>& multicast) {
    std::string table = Long(static_cast<uint32_t>(unicast.size()));
    for (const Address& address : unicast) table += Raw(address);
    table += Long(static_cast<uint32_t>(multicast.size()));
    for (const Address& address : multicast) table += Raw(address);
    return table;
  }
};

TEST_F(NetFilter, TheModesSayWhatPasses) {
  Covers({"virtio 5.1.6.5.1.1 rx", "virtio 5.1.6.5.1.1 rx-extra"});
  Start();
  Begin();
  EXPECT_EQ(Passes(), "ob") << "its own address and broadcast";
  const struct {
    uint8_t mode;
    const char* passes;
  } modes[] = {
      {kAllMulticast, "obgGx"}, {kAllUnicast, "oulLb"}, {kNoMulticast, "ob"},
      {kNoUnicast, "b"},        {kNoBroadcast, "o"},
  };
  for (const auto& mode : modes) {
    SCOPED_TRACE(int{mode.mode});
    EXPECT_EQ(SetMode(mode.mode, true), kAck);
    EXPECT_EQ(Passes(), mode.passes);
    EXPECT_EQ(SetMode(mode.mode, false), kAck);
    EXPECT_EQ(Passes(), "ob");
  }
  EXPECT_EQ(SetMode(kAllMulticast, true), kAck);
  EXPECT_EQ(SetMode(kNoMulticast, true), kAck);
  EXPECT_EQ(Passes(), "ob") << "none has precedence";
  EXPECT_EQ(SetMode(kAllUnicast, true), kAck);
  EXPECT_EQ(SetMode(kNoUnicast, true), kAck);
  EXPECT_EQ(Passes(), "b");
  device->Reset();
  Begin();
  EXPECT_EQ(Passes(), "ob") << "a reset ends all modes";
}

TEST_F(NetFilter, TheTableListsAddresses) {
  Covers({"virtio 5.1.6.5.2.1 table-set", "virtio 5.1.6.5.2.1 empty-on-reset"});
  Start();
  Begin();
  EXPECT_EQ(Command(kMac, 0, Table({kListed}, {kGroup})), kAck);
  EXPECT_EQ(Passes(), "olbg");
  EXPECT_EQ(Command(kMac, 0, Table({kListed, kListedToo}, {kGroup, kGroupToo})), kAck);
  EXPECT_EQ(Passes(), "olLbgG");
  EXPECT_EQ(SetMode(kNoMulticast, true), kAck);
  EXPECT_EQ(Passes(), "olLb");
  EXPECT_EQ(SetMode(kNoMulticast, false), kAck);
  EXPECT_EQ(Command(kMac, 0, Table({kGroup}, {kListed})), kAck);
  EXPECT_EQ(Passes(), "ob") << "a group is not looked for among the others";
  EXPECT_EQ(Command(kMac, 0, Table({}, {kGroupToo})), kAck);
  EXPECT_EQ(Passes(), "obG") << "the table is a new one";
  EXPECT_EQ(Command(kMac, 0, Table({kListed}, {kGroup}), 6), kAck) << "in two buffers";
  EXPECT_EQ(Passes(), "olbg");
  device->Reset();
  Begin();
  EXPECT_EQ(Passes(), "ob") << "empty after a reset";
}

TEST_F(NetFilter, ATableThatIsTooLongLetsAllOfTheKindPass) {
  Start();
  Begin();
  const std::vector<Address> many(65, kListed), most(64, kListed), groups(65, kGroup),
      most_groups(64, kGroup);
  EXPECT_EQ(Command(kMac, 0, Table(most, {})), kAck);
  EXPECT_EQ(Passes(), "olb");
  EXPECT_EQ(Command(kMac, 0, Table(many, {})), kAck);
  EXPECT_EQ(Passes(), "oulLb");
  EXPECT_EQ(Command(kMac, 0, Table({}, most_groups)), kAck);
  EXPECT_EQ(Passes(), "obg");
  EXPECT_EQ(Command(kMac, 0, Table({}, groups)), kAck);
  EXPECT_EQ(Passes(), "obgGx");
  EXPECT_EQ(Command(kMac, 0, Table({kListed}, most_groups)), kAck);
  EXPECT_EQ(Passes(), "olbgGx") << "65 of both kinds";
  EXPECT_EQ(Command(kMac, 0, Table({kListed}, {kGroup})), kAck);
  EXPECT_EQ(Passes(), "olbg");
}

TEST_F(NetFilter, ACommandThatIsNoneIsAnError) {
  Start();
  Begin();
  EXPECT_EQ(Command(kMac, 0, Table({kListed}, {kGroup})), kAck);
  const std::string table = Table({kListed, kListedToo}, {kGroupToo});
  for (size_t size : {0u, 3u, 4u, 10u, 15u, 16u, 19u, 20u, 25u})
    EXPECT_EQ(Command(kMac, 0, table.substr(0, size)), kError) << size << " bytes of a table";
  EXPECT_EQ(Command(kMac, 0, table + "x"), kError);
  EXPECT_EQ(Command(kMac, 1, Raw(kOther).substr(1)), kError) << "five bytes of an address";
  EXPECT_EQ(Command(kMac, 1, Raw(kOther) + "x"), kError);
  EXPECT_EQ(Command(kMac, 2, table), kError) << "no such command";
  EXPECT_EQ(Command(kRx, kPromiscuous, ""), kError);
  EXPECT_EQ(Command(kRx, 6, "\1"), kError);
  EXPECT_EQ(Command(kVlan, 0, "\1"), kError) << "half a number";
  EXPECT_EQ(Command(kVlan, 0, Short(4096)), kError);
  EXPECT_EQ(Command(kVlan, 2, Short(1)), kError);
  EXPECT_EQ(Command(kAnnounceClass, 0, ""), kError) << "there is nothing to acknowledge";
  EXPECT_EQ(Command(kMq, 0, Short(1)), kError) << "MQ was not agreed on";
  EXPECT_EQ(Command(kOffloads, 0, std::string(8, '\0')), kError) << "nor were offloads";
  EXPECT_EQ(Command(9, 0, "\1"), kError) << "no such class";
  EXPECT_EQ(Passes(), "olbg") << "the filter is what it was";
}

TEST_F(NetFilter, TheDriverSetsItsAddress) {
  Covers({"virtio 5.1.6.5.2.1 addr-set"});
  Start();
  Begin();
  EXPECT_EQ(Command(kMac, 1, Raw(kOther)), kAck);
  std::string mac;
  for (uint32_t i = 0; i < 6; ++i) mac += static_cast<char>(device->ConfigB(i));
  EXPECT_EQ(mac, Raw(kOther));
  EXPECT_EQ(Passes(), "ub");
  device->Reset();
  mac.clear();
  for (uint32_t i = 0; i < 6; ++i) mac += static_cast<char>(device->ConfigB(i));
  EXPECT_EQ(mac, Raw(kOwn)) << "a reset brings back the card's own";
}

TEST_F(NetFilter, VlansPassThatWereAdded) {
  Start();
  Begin(kFeatures | Bits({kCtrlVlan}));
  const auto passing = [&] {
    std::string passed;
    OfferMany(7);
    for (int tag : {1, 7, 32, 39, 4095, 0x2007}) wire.Send(Frame(kOwn, Short(uint16_t(tag)), tag));
    wire.Send(Frame(kOwn, "last"));
    for (const std::string& frame : ReceiveUntil(Frame(kOwn, "last")))
      passed += std::to_string((frame[15] & 0xff) | (frame[14] & 0xff) << 8) + " ";
    return passed;
  };
  EXPECT_EQ(passing(), "");
  for (uint16_t tag : {7, 32, 4095}) EXPECT_EQ(Command(kVlan, 0, Short(tag)), kAck);
  EXPECT_EQ(passing(), "7 32 4095 8199 ") << "7 with a priority, too";
  EXPECT_EQ(Command(kVlan, 1, Short(32)), kAck);
  EXPECT_EQ(passing(), "7 4095 8199 ");
  wire.Send(Frame(kOther, "another address", 7));
  wire.Send(Frame(kOwn, "last"));
  OfferMany(2);
  EXPECT_TRUE(ReceiveUntil(Frame(kOwn, "last")).empty()) << "a tag does not open the filter";
  device->Reset();
  Begin(kFeatures | Bits({kCtrlVlan}));
  EXPECT_EQ(passing(), "");
}

TEST_F(Net, OneCommandHasOneAnswer) {
  Start();
  StartDriver(Bits({kMacFeature, kCtrl, kCtrlRx}));
  for (int i = 0; i < 100; ++i) ASSERT_EQ(SetMode(kPromiscuous, i & 1), kAck) << i;
  const uint64_t at = heap->Allocate(4);
  queues[kControl].Add({{at, 1, false}, {at + 3, 1, true}});
  device->Notify(kControl);
  WaitUntil("DEVICE_NEEDS_RESET", Deadline(kWait),
            [&] { return device->Status() & virtio::kNeedsReset; });
}

TEST_F(Net, TheNumberOfPairsIsChecked) {
  Start(",mq=on");
  StartDriver(Bits({kMacFeature, kCtrl, kMultiqueue, kMergeable}));
  EXPECT_EQ(device->ConfigW(8), 1);
  EXPECT_EQ(Command(kMq, 0, Short(1)), kAck);
  for (uint16_t pairs : {0, 2, 0x8000, 0x8001, 0xffff})
    EXPECT_EQ(Command(kMq, 0, Short(pairs)), kError) << pairs;
  EXPECT_EQ(Command(kMq, 0, "\1"), kError);
  EXPECT_EQ(Command(kMq, 5, Short(1)), kError) << "no such command";
  OfferMany(1);
  wire.Send(Frame(kOwn, "still"));
  EXPECT_TRUE(Receive().frame == Frame(kOwn, "still"));
}

TEST_F(Net, AnAnnouncementIsAskedForUntilItIsAcknowledged) {
  Covers({"virtio 5.1.6.5.4.2 announce-ack"});
  Start();
  StartDriver(Bits({kMacFeature, kStatus, kCtrl, kAnnounce}));
  device->Isr();
  qmp().Execute("announce-self", {{"initial", 50}, {"max", 50}, {"rounds", 1}, {"step", 50}});
  WaitUntil("the announcement", Deadline(kWait),
            [&] { return Status() == (kLinkUp | kMustAnnounce); });
  WaitUntil("its interrupt", Deadline(kWait), [&] { return device->Isr() & 2; });
  EXPECT_EQ(Command(kAnnounceClass, 1, ""), kError) << "no such command";
  EXPECT_EQ(Status(), kLinkUp | kMustAnnounce);
  EXPECT_EQ(Command(kAnnounceClass, 0, ""), kAck);
  EXPECT_EQ(Status(), kLinkUp);
  EXPECT_EQ(Command(kAnnounceClass, 0, ""), kError) << "it was acknowledged";
}

}  // namespace
}  // namespace stx
