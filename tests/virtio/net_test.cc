// SPDX-License-Identifier: GPL-2.0-or-later
// What a driver of virtio-net may rely on (virtio 1.2, section 5.1): configuration, frames in both
// directions, the receive filter, and the answers of the control queue. The wire carries frames
// without virtio-net headers, so nothing is offloaded.

#include <algorithm>
#include <array>
#include <cstring>
#include <map>

#include "base/pattern.h"
#include "base/waiting.h"
#include "harness/qemu/contract.h"
#include "harness/qemu/machine_test.h"
#include "harness/virtio/net_wire.h"
#include "harness/virtio/virtio_pci.h"

namespace stx {
namespace {

constexpr uint16_t kReceive = 0, kTransmit = 1, kControl = 2;
constexpr int kMtu = 3, kMacFeature = 5, kMergeable = 15, kStatus = 16, kCtrl = 17, kCtrlRx = 18,
              kCtrlVlan = 19, kCtrlRxExtra = 20, kAnnounce = 21, kMultiqueue = 22, kCtrlMac = 23,
              kHashReport = 57, kSpeedDuplex = 63;
constexpr uint16_t kLinkUp = 1, kMustAnnounce = 2;
/// Classes and commands of the control queue (5.1.6.5).
constexpr uint8_t kRx = 0, kMac = 1, kVlan = 2, kAnnounceClass = 3, kMq = 4, kOffloads = 5;
constexpr uint8_t kPromiscuous = 0, kAllMulticast = 1, kAllUnicast = 2, kNoMulticast = 3,
                  kNoUnicast = 4, kNoBroadcast = 5;
constexpr uint8_t kAck = 0, kError = 1;
constexpr Milliseconds kWait{10000};

constexpr uint64_t Bits(std::initializer_list<int> features) {
  uint64_t bits = 0;
  for (int feature : features) bits |= virtio::Bit(feature);
  return bits;
}

using Address = std::array<uint8_t, 6>;
constexpr Address kOwn{0x52, 0x54, 0, 0, 0, 1}, kOther{0x52, 0x54, 0, 0, 0, 3},
    kListed{0x52, 0x54, 0, 0, 0, 2}, kListedToo{0x52, 0x54, 0, 0, 0, 0x12},
    kBroadcast{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, kGroup{1, 0, 0x5e, 0, 0, 2},
    kGroupToo{1, 0, 0x5e, 0, 0, 0x12}, kOtherGroup{1, 0, 0x5e, 0, 0, 3};

std::string Raw(const Address& address) { return {address.begin(), address.end()}; }
std::string Short(uint16_t value) { return {reinterpret_cast<char*>(&value), 2}; }
std::string Long(uint32_t value) { return {reinterpret_cast<char*>(&value), 4}; }

/// An Ethernet frame; `tag` is that of IEEE 802.1Q.
std::string Frame(const Address& to, const std::string& payload, int tag = -1) {
  std::string frame = Raw(to) + Raw({0x52, 0x54, 0, 0, 9, 9});
  if (tag >= 0) frame += {'\x81', 0, static_cast<char>(tag >> 8), static_cast<char>(tag)};
  frame += "\x88\xb5" + payload;  // IEEE 802: local experimental
  if (frame.size() < 60) frame.resize(60);
  return frame;
}

class Net : public MachineTest {
 protected:
  void Start(const std::string& options = "") {
    StartMachine({"-netdev", wire.Netdev(), "-device",
                  "virtio-net-pci,id=nic,netdev=n,mac=52:54:00:00:00:01,disable-legacy=on,"
                  "romfile=,addr=5" +
                      options});
    device.emplace(*bus, bus->At(5));
  }
  void StartDriver(uint64_t features) {
    agreed = device->Negotiate(features);
    EXPECT_EQ(agreed & ~virtio::Bit(virtio::kFeatureVersion1), features) << "not offered";
    queues.clear();
    for (uint16_t i : {kReceive, kTransmit}) queues.push_back(device->SetUpQueue(i, *heap));
    if (features & virtio::Bit(kCtrl)) queues.push_back(device->SetUpQueue(kControl, *heap));
    device->SetDriverOk();
    buffers.clear();
  }

  /// A receive buffer in pieces of these sizes.
  void Offer(const std::vector<uint32_t>& sizes) {
    std::vector<VirtqueueBuffer> chain;
    for (uint32_t size : sizes) {
      chain.push_back({heap->Allocate(size), size, true});
      qtest().MemSet(chain.back().address, size, 0xee);
    }
    buffers[queues[kReceive].Add(chain)] = chain;
    device->Notify(kReceive);
  }
  void OfferMany(int count, uint32_t size = 2048) {
    for (int i = 0; i < count; ++i) Offer({size});
  }
  std::string Content(uint16_t head, uint32_t written) {
    std::string bytes;
    for (const VirtqueueBuffer& buffer : buffers.at(head)) {
      const auto piece = qtest().MemRead(buffer.address, buffer.length);
      bytes.append(piece.begin(), piece.end());
    }
    buffers.erase(head);
    EXPECT_LE(written, bytes.size());
    return bytes.substr(0, written);
  }
  struct Received {
    std::string header, frame;
    std::vector<uint32_t> lengths;  // used of each buffer
  };
  Received Receive(size_t header = 12) {
    Received received;
    std::string bytes;
    uint16_t count = 1;
    for (uint16_t i = 0; i < count; ++i) {
      const DriverQueue::Used used = queues[kReceive].Wait(Deadline(kWait));
      received.lengths.push_back(used.written);
      bytes += Content(used.head, used.written);
      if (i == 0) {
        count = static_cast<uint16_t>(static_cast<uint8_t>(bytes.at(10)) |
                                      static_cast<uint8_t>(bytes.at(11)) << 8);
        if (count == 0 || count > 256) throw std::runtime_error("num_buffers is none");
      }
    }
    received.header = bytes.substr(0, header);
    received.frame = bytes.substr(header);
    return received;
  }
  /// Waits until the device has decided on all frames before: this one always passes.
  std::vector<std::string> ReceiveUntil(const std::string& last) {
    std::vector<std::string> frames;
    for (;;) {
      frames.push_back(Receive().frame);
      if (frames.back() == last) break;
    }
    frames.pop_back();
    return frames;
  }

  /// The frame goes out in buffers of these sizes, the header first; the rest in one more.
  void Transmit(const std::string& frame, const std::vector<uint32_t>& sizes = {}) {
    const std::string bytes = std::string(12, '\0') + frame;
    const uint64_t at = heap->Allocate(bytes.size());
    qtest().MemWrite(at, bytes.data(), bytes.size());
    std::vector<VirtqueueBuffer> chain;
    uint32_t done = 0;
    for (uint32_t size : sizes) {
      chain.push_back({at + done, size, false});
      done += size;
    }
    if (done < bytes.size())
      chain.push_back({at + done, static_cast<uint32_t>(bytes.size() - done), false});
    queues[kTransmit].Add(chain);
  }

  /// A command of the control queue; returns its acknowledgement.
  int Command(uint8_t of_class, uint8_t command, const std::string& data, uint32_t split = 0) {
    const std::string bytes =
        std::string{static_cast<char>(of_class), static_cast<char>(command)} + data;
    const uint64_t at = heap->Allocate(bytes.size()), ack = heap->Allocate(1);
    qtest().MemWrite(at, bytes.data(), bytes.size());
    qtest().WriteB(ack, 0xee);
    const auto size = static_cast<uint32_t>(bytes.size());
    std::vector<VirtqueueBuffer> chain;
    if (split) chain.push_back({at, split, false});
    chain.push_back({at + split, size - split, false});
    chain.push_back({ack, 1, true});
    queues[kControl].Add(chain);
    device->Notify(kControl);
    EXPECT_EQ(queues[kControl].Wait(Deadline(kWait)).written, 1u);
    return qtest().ReadB(ack);
  }
  int SetMode(uint8_t mode, bool on) { return Command(kRx, mode, std::string(1, on)); }
  uint16_t Status() { return device->ConfigW(6); }

  NetWire wire{dir};
  std::optional<VirtioPciDevice> device;
  uint64_t agreed = 0;
  std::vector<Virtqueue> queues;
  std::map<uint16_t, std::vector<VirtqueueBuffer>> buffers;
};

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

TEST_F(Net, AFrameIsSpreadOverAsManyBuffersAsItsHeaderSays) {
  Covers({"virtio 5.1.6.4.1 num-buffers", "virtio 5.1.6.4.1 filled", "virtio 5.1.6.4.1 together",
          "virtio 5.1.6.3.2 num-buffers"});
  Start();
  StartDriver(Bits({kMacFeature, kMergeable}));
  const struct {
    size_t frame;
    uint32_t buffer;
    size_t count;
  } cases[] = {
      {60, 2048, 1}, {188, 200, 1},   {189, 200, 2},   {388, 200, 2},
      {389, 200, 3}, {1514, 100, 16}, {9000, 1024, 9}, {60000, 4096, 15},
  };
  uint64_t seed = 0;
  for (const auto& c : cases) {
    SCOPED_TRACE(std::to_string(c.frame) + " in " + std::to_string(c.buffer));
    const std::string frame = Frame(kOwn, MakePattern(c.frame - 14, ++seed));
    ASSERT_EQ(frame.size(), c.frame);
    OfferMany(static_cast<int>(c.count), c.buffer);
    wire.Send(frame);
    const Received received = Receive();
    EXPECT_EQ(received.lengths.size(), c.count);
    for (size_t i = 0; i + 1 < received.lengths.size(); ++i)
      EXPECT_EQ(received.lengths[i], c.buffer) << i;
    EXPECT_TRUE(received.frame == frame);
    EXPECT_EQ(received.header.substr(0, 10), std::string(10, '\0'))
        << "no flags, GSO_NONE, no checksum";
    EXPECT_FALSE(queues[kReceive].Take());
    EXPECT_TRUE(buffers.empty());
  }
}

TEST_F(Net, AFrameWaitsUntilItsBuffersAreThere) {
  Start();
  StartDriver(Bits({kMacFeature, kMergeable}));
  OfferMany(3, 200);
  const std::string frame = Frame(kOwn, MakePattern(700, 1));
  wire.Send(frame);
  EXPECT_FALSE(
      HoldsBefore(Deadline(Milliseconds(30)), [&] { return bool(queues[kReceive].Take()); }));
  OfferMany(3, 200);
  EXPECT_TRUE(Receive().frame == frame);
  wire.Send(Frame(kOwn, "next"));
  EXPECT_TRUE(Receive().frame == Frame(kOwn, "next"));
}

TEST_F(Net, WithoutMergeableBuffersAFrameIsInOne) {
  Covers({"virtio 5.1.6.4.1 one-buffer", "virtio 5.1.6.3.2 single"});
  Start();
  StartDriver(Bits({kMacFeature}));
  Offer({12, 2048});
  Offer({5, 20, 100, 2000});
  Offer({2048});
  for (const char* name : {"first", "second", "third"}) {
    const std::string frame = Frame(kOwn, name + MakePattern(1000, name[0]));
    wire.Send(frame);
    const Received received = Receive();
    EXPECT_TRUE(received.frame == frame) << name;
    EXPECT_EQ(received.lengths, std::vector<uint32_t>{12 + 1000 + 14 + uint32_t(strlen(name))});
  }
  // One that does not fit is dropped; its buffer is for the next.
  Offer({500});
  wire.Send(Frame(kOwn, MakePattern(600, 1)));
  wire.Send(Frame(kOwn, "fits"));
  EXPECT_TRUE(Receive().frame == Frame(kOwn, "fits"));
}

TEST_F(Net, FramesComeAndGoInTheirOrder) {
  Covers({"virtio 2.7.4.1 framing"});
  Start();
  StartDriver(Bits({kMacFeature, kMergeable}));
  OfferMany(20);
  for (int i = 0; i < 20; ++i) wire.Send(Frame(kOwn, "in " + std::to_string(i)));
  for (int i = 0; i < 20; ++i)
    EXPECT_TRUE(Receive().frame == Frame(kOwn, "in " + std::to_string(i))) << i;

  std::vector<std::string> sent;
  for (const std::vector<uint32_t>& sizes : std::vector<std::vector<uint32_t>>{
           {}, {12}, {4, 8}, {5}, {12, 1, 1, 50}, {20}, {12, 14}, {100}}) {
    sent.push_back(Frame(kOther, MakePattern(200, sent.size())));
    Transmit(sent.back(), sizes);
  }
  device->Notify(kTransmit);
  for (const std::string& frame : sent) EXPECT_TRUE(wire.Receive() == frame);
  for (size_t i = 0; i < sent.size(); ++i)
    EXPECT_EQ(queues[kTransmit].Wait(Deadline(kWait)).written, 0u);
  const std::string large = Frame(kOther, MakePattern(9000, 1));
  Transmit(large);
  device->Notify(kTransmit);
  EXPECT_TRUE(wire.Receive() == large);
}

TEST_F(Net, FlagsThatItDoesNotKnowAreIgnored) {
  Covers({"virtio 5.1.6.2.2 unknown-flags", "virtio 5.1.6.2.2 hdr-len"});
  Start();
  StartDriver(Bits({kMacFeature, kMergeable}));
  const std::string frame = Frame(kOther, MakePattern(100, 4));
  const std::string bytes = std::string("\xf0\0\x34\x12\xff\xff\xff\xff\xff\xff\x07\0", 12) + frame;
  const uint64_t at = heap->Allocate(bytes.size());
  qtest().MemWrite(at, bytes.data(), bytes.size());
  queues[kTransmit].Add({{at, static_cast<uint32_t>(bytes.size()), false}});
  device->Notify(kTransmit);
  EXPECT_TRUE(wire.Receive() == frame);
}

TEST_F(Net, AtFirstAllFramesPass) {
  Covers({"virtio 5.1.6.5.2.1 empty-on-reset"});
  Start();
  for (uint64_t extra : {uint64_t{0}, Bits({kCtrl, kCtrlRx})}) {
    StartDriver(Bits({kMacFeature, kMergeable}) | extra);
    OfferMany(10);
    for (const Address& to : {kOwn, kOther, kGroup, kBroadcast}) {
      wire.Send(Frame(to, "to"));
      EXPECT_TRUE(Receive().frame == Frame(to, "to"));
    }
    wire.Send(Frame(kOwn, "tagged", 7));
    EXPECT_TRUE(Receive().frame == Frame(kOwn, "tagged", 7)) << "no VLANs are filtered";
  }
}

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
