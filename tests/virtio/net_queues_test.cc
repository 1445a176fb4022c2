// SPDX-License-Identifier: GPL-2.0-or-later
// Which receive queue of virtio-net a frame comes on (virtio 1.2, sections 5.1.6.5.5 to 5.1.6.5.7):
// pairs of queues, and receive side scaling with its hash.

#include <set>

#include "harness/qemu/contract.h"
#include "virtio/net_tap_fixture.h"

namespace stx {
namespace {

class NetQueues : public NetOnTap {
 protected:
  static constexpr uint64_t kFeatures = Bits({kMacFeature, kMergeable, kCtrl, kMultiqueue});

  /// The pairs on which the frames of many flows come; each of them comes once.
  std::set<int> Pairs() {
    std::set<int> pairs;
    std::set<std::string> sent, got;
    for (uint16_t i = 0; i < 60; ++i) {
      sent.insert(Ip(kUdp, {0x0a000001, 0x0a000002, static_cast<uint16_t>(1000 + 77 * i), 2000},
                     "flow " + std::to_string(i) + std::string(20, '.')));
    }
    for (const std::string& frame : sent) SendFromHost(frame);
    for (size_t i = 0; i < sent.size(); ++i) {
      const Delivered next = Next();
      pairs.insert(next.pair);
      got.insert(next.frame);
    }
    EXPECT_TRUE(got == sent);
    return pairs;
  }
};

TEST_F(NetQueues, FramesComeOnThePairsThatTheDriverUses) {
  Covers({"virtio 5.1.6.5.5.2 first-pair", "virtio 5.1.6.5.5.2 pairs"});
  StartOnTap();
  EXPECT_EQ(device->ConfigW(8), kPairs);
  StartTapDriver(kFeatures);
  EXPECT_EQ(device->QueueCount(), 2 * kPairs + 1);
  EXPECT_EQ(Pairs(), std::set<int>{0}) << "before a command";
  EXPECT_EQ(Command(kMq, 0, Short(kPairs)), kAck);
  EXPECT_EQ(Pairs(), (std::set<int>{0, 1, 2, 3}));
  EXPECT_EQ(Command(kMq, 0, Short(2)), kAck);
  EXPECT_EQ(Pairs(), (std::set<int>{0, 1}));
  for (uint16_t wrong : {0, kPairs + 1, 0x8001})
    EXPECT_EQ(Command(kMq, 0, Short(wrong)), kError) << wrong;
  EXPECT_EQ(Pairs(), (std::set<int>{0, 1})) << "it is what it was";
  EXPECT_EQ(Command(kMq, 0, Short(3)), kAck);
  EXPECT_EQ(Pairs(), (std::set<int>{0, 1, 2}));
  for (uint16_t pair : {0, 1, 2}) {
    const std::string frame =
        Ip(kUdp, kFlow, "from " + std::to_string(pair), Checksum::kWhole, false);
    SendFromGuest(frame, Header(0), pair);
    EXPECT_TRUE(NextAtHost().frame == frame) << pair;
  }
  device->Reset();
  StartTapDriver(kFeatures);
  EXPECT_EQ(Pairs(), std::set<int>{0}) << "after a reset";
}

/// The example of "Introduction to Receive Side Scaling": the key, and hashes of addresses and
/// ports, which the test's own computation must give.
const std::string kKey(
    "\x6d\x5a\x56\xda\x25\x5b\x0e\xc2\x41\x67\x25\x3d\x43\xa3\x8f\xb0\xd0\xca\x2b\xcb\xae\x7b\x30"
    "\xb4"
    "\x77\xcb\x2d\xa3\x80\x30\xf2\x0c\x6a\x42\xb7\x3b\xbe\xac\x01\xfa",
    40);
uint32_t Toeplitz(const std::string& input) {
  uint32_t hash = 0;
  const auto bit = [](const std::string& bytes, size_t i) {
    return static_cast<uint8_t>(bytes[i / 8]) >> (7 - i % 8) & 1;
  };
  for (size_t i = 0; i < 8 * input.size(); ++i) {
    if (!bit(input, i)) continue;
    uint32_t window = 0;
    for (size_t k = 0; k < 32; ++k) window = window << 1 | static_cast<uint32_t>(bit(kKey, i + k));
    hash ^= window;
  }
  return hash;
}

class NetRss : public NetQueues {
 protected:
  static constexpr uint32_t kIpv4 = 1, kTcpv4 = 2, kUdpv4 = 4;
  static std::string Input(const Flow& flow, bool ports) {
    return Net32(flow.from) + Net32(flow.to) +
           (ports ? Net16(flow.from_port) + Net16(flow.to_port) : "");
  }
  int Configure(uint32_t types, const std::vector<uint16_t>& table, uint16_t unclassified,
                uint16_t transmit = kPairs, const std::string& key = kKey) {
    std::string command =
        Long(types) + Short(static_cast<uint16_t>(table.size() - 1)) + Short(unclassified);
    for (uint16_t queue : table) command += Short(queue);
    command += Short(transmit);
    return Command(kMq, 1, command + static_cast<char>(key.size()) + key);
  }
  uint16_t PairOf(const std::string& frame) {
    SendFromHost(frame);
    const Delivered got = Next();
    EXPECT_TRUE(got.frame == frame);
    return got.pair;
  }
};

TEST_F(NetRss, TheLimitsAreThoseOfTheSpecificationAtLeast) {
  Covers({"virtio 5.1.4.1 key-size", "virtio 5.1.4.1 indirection"});
  StartOnTap(",rss=on");
  EXPECT_TRUE(device->OfferedFeatures() & virtio::Bit(kRss));
  EXPECT_GE(device->ConfigB(17), 40) << "rss_max_key_size";
  EXPECT_GE(device->ConfigW(18), 128) << "rss_max_indirection_table_length";
  EXPECT_EQ(device->ConfigL(20) & (kIpv4 | kTcpv4 | kUdpv4), kIpv4 | kTcpv4 | kUdpv4);
}

TEST_F(NetRss, TheHashAndTheTableChooseTheQueue) {
  Covers({"virtio 5.1.6.5.7.1 rss"});
  const struct {
    Flow flow;
    uint32_t addresses, ports;
  } known[] = {
      {{0x420995bb, 0xa18e6450, 2794, 1766}, 0x323e8fc2, 0x51ccc178},
      {{0xc75c6f02, 0x41458c53, 14230, 4739}, 0xd718262a, 0xc626b0ea},
      {{0x1813c65f, 0x0c16cfb8, 12898, 38024}, 0xd2d0a5de, 0x5c2b394a},
      {{0x261bcd1e, 0xd18ea306, 48228, 2217}, 0x82989176, 0xafc7327f},
      {{0x9927a3bf, 0xcabc7f02, 44251, 1303}, 0x5d1809c5, 0x10e828a2},
  };
  StartOnTap(",rss=on");
  StartTapDriver(kFeatures | Bits({kRss}));
  // A table in which neighbours differ, of more entries than there are queues.
  const std::vector<uint16_t> table{3, 1, 0, 2, 2, 0, 1, 3, 1, 0, 3, 2, 0, 3, 1, 2};
  const auto expected = [&](uint32_t hash) { return table[hash % table.size()]; };
  ASSERT_EQ(Configure(kIpv4 | kTcpv4, table, 3), kAck);
  for (const auto& [flow, addresses, ports] : known) {
    ASSERT_EQ(Toeplitz(Input(flow, false)), addresses);
    ASSERT_EQ(Toeplitz(Input(flow, true)), ports);
    EXPECT_EQ(PairOf(Ip(kTcp, flow, "x")), expected(ports)) << std::hex << ports;
    EXPECT_EQ(PairOf(Ip(kUdp, flow, "x")), expected(addresses)) << std::hex << addresses;
  }
  std::set<uint16_t> used;
  for (uint32_t i = 0; i < 32; ++i) {
    const Flow flow{0x0a000001 + i, 0x0a000002, static_cast<uint16_t>(i), 80};
    const uint16_t pair = PairOf(Ip(kTcp, flow, "x"));
    EXPECT_EQ(pair, expected(Toeplitz(Input(flow, true)))) << i;
    used.insert(pair);
  }
  EXPECT_EQ(used.size(), kPairs);
  const std::string other = Raw(kOwn) + Raw(kHost) + Net16(0x88b5) + std::string(46, '!');
  EXPECT_EQ(PairOf(other), 3) << "what has no hash goes to the queue for that";

  ASSERT_EQ(Configure(kUdpv4, {2}, 1), kAck);
  EXPECT_EQ(PairOf(Ip(kUdp, kFlow, "x")), 2);
  EXPECT_EQ(PairOf(Ip(kTcp, kFlow, "x")), 1) << "TCP's is not asked for";
  EXPECT_EQ(PairOf(other), 1);
  // Without RSS_CONFIG the number of pairs alone counts.
  EXPECT_EQ(Command(kMq, 0, Short(1)), kAck);
  EXPECT_EQ(Pairs(), std::set<int>{0});
}

TEST_F(NetRss, TheHashIsReported) {
  StartOnTap(",hash=on");
  StartTapDriver(kFeatures | Bits({kHashReport}));
  const auto expect = [&](const std::string& frame, uint32_t hash, uint16_t report) {
    SendFromHost(frame);
    const Delivered got = Next(20);
    EXPECT_TRUE(got.frame == frame);
    EXPECT_EQ(got.header.substr(12, 4), Long(hash));
    EXPECT_EQ(got.Field(16), report);
    EXPECT_EQ(got.header.substr(18), std::string(2, '\0'));
    EXPECT_EQ(got.pair, 0) << "it chooses no queue";
  };
  const std::string other = Raw(kOwn) + Raw(kHost) + Net16(0x88b5) + std::string(46, '!');
  constexpr uint16_t kNone = 0, kOfIpv4 = 1, kOfTcpv4 = 2, kOfUdpv4 = 3;
  const auto configure = [&](uint32_t types) {
    return Command(kMq, 2,
                   Long(types) + std::string(8, '\0') + static_cast<char>(kKey.size()) + kKey);
  };
  const uint32_t addresses = Toeplitz(Input(kFlow, false)), ports = Toeplitz(Input(kFlow, true));
  ASSERT_EQ(configure(kIpv4 | kTcpv4), kAck);
  expect(Ip(kTcp, kFlow, "x"), ports, kOfTcpv4);
  expect(Ip(kUdp, kFlow, "x"), addresses, kOfIpv4);
  expect(other, 0, kNone);
  ASSERT_EQ(configure(kUdpv4), kAck);
  expect(Ip(kUdp, kFlow, "x"), ports, kOfUdpv4);
  expect(Ip(kTcp, kFlow, "x"), 0, kNone);
}

TEST_F(NetRss, AConfigurationThatIsWrongIsAnError) {
  StartOnTap(",rss=on");
  StartTapDriver(kFeatures | Bits({kRss}));
  ASSERT_EQ(Configure(kIpv4, {2}, 1), kAck);
  EXPECT_EQ(Configure(kIpv4, {3, 3, 3}, 1), kError) << "not a power of two";
  EXPECT_EQ(Configure(kIpv4, std::vector<uint16_t>(256, 3), 1), kError) << "larger than offered";
  EXPECT_EQ(Configure(kIpv4, {3}, kPairs), kError) << "no such queue";
  EXPECT_EQ(Configure(kIpv4, {3}, 1, 0), kError) << "no queue to transmit";
  EXPECT_EQ(Configure(kIpv4, {3}, 1, kPairs, kKey + "x"), kError) << "a key that is too long";
  EXPECT_EQ(Configure(kIpv4, {3}, 1, kPairs, ""), kError) << "types, and no key";
  EXPECT_EQ(Command(kMq, 1, std::string(7, '\0')), kError) << "seven bytes";
}

}  // namespace
}  // namespace stx
