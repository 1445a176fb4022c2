// SPDX-License-Identifier: GPL-2.0-or-later
// How virtio-net carries frames in both directions (virtio 1.2, sections 5.1.6.2 to 5.1.6.4).

#include <algorithm>
#include <cstring>

#include "base/pattern.h"
#include "base/waiting.h"
#include "harness/qemu/contract.h"
#include "virtio/net_fixture.h"

namespace stx {
namespace {

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

TEST_F(Net, AResetLeavesTheBuffersToTheDriver) {
  Covers({"virtio 2.4.1 quiet"});
  Start();
  StartDriver(Bits({kMacFeature, kMergeable}));
  OfferMany(3, 512);
  wire.Send(Frame(kOwn, "the first"));
  EXPECT_TRUE(Receive().frame == Frame(kOwn, "the first"));
  device->Isr();
  device->Reset();
  const auto old = buffers;
  wire.Send(Frame(kOwn, "of nobody"));
  WaitUntil("the wire is empty", Deadline(kWait), [&] { return wire.Sent() == 0; });
  qmp().Execute("query-status");
  EXPECT_FALSE(queues[kReceive].Take());
  EXPECT_EQ(device->Isr(), 0);
  StartDriver(Bits({kMacFeature, kMergeable}));
  OfferMany(2);
  wire.Send(Frame(kOwn, "to the next"));
  EXPECT_EQ(ReceiveUntil(Frame(kOwn, "to the next")).size(), 0u) << "what came meanwhile is gone";
  for (const auto& [head, chain] : old)
    for (const VirtqueueBuffer& buffer : chain) {
      const auto bytes = qtest().MemRead(buffer.address, buffer.length);
      EXPECT_EQ(std::count(bytes.begin(), bytes.end(), 0xee), buffer.length);
    }
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

}  // namespace
}  // namespace stx
