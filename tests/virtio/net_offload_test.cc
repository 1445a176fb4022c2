// SPDX-License-Identifier: GPL-2.0-or-later
// The header of each frame of virtio-net (virtio 1.2, sections 5.1.6.2 and 5.1.6.4): checksums and
// segmentation that one side leaves to the other, and the command that switches them.

#include "base/pattern.h"
#include "harness/qemu/contract.h"
#include "virtio/net_tap_fixture.h"

namespace stx {
namespace {

class NetOffload : public NetOnTap {
 protected:
  static constexpr uint64_t kBasic = Bits({kMacFeature, kMergeable});
  static constexpr uint16_t kSegment = 1000;
  const std::string text = "offload" + MakePattern(99, 1);

  /// Bytes that TCP would send as three segments, with what the header says of them.
  std::string large = MakePattern(2 * kSegment + 500, 2);
  std::string LargeHeader() {
    return Header(kNeedsCsum, kGsoTcp4, kTransport + 20, kSegment, kTransport, 16);
  }
  std::string Large(bool to_guest = true) {
    return Ip(kTcp, kFlow, large, Checksum::kPartial, to_guest);
  }
  void SendPartial() {
    SendFromHost(Ip(kUdp, kFlow, text, Checksum::kPartial),
                 Header(kNeedsCsum, 0, 0, 0, kTransport, 6));
  }
  /// A partial checksum that the host sends arrives whole.
  void ExpectCompleted() {
    SendPartial();
    const Delivered got = Next();
    EXPECT_EQ(got.flags(), 0);
    EXPECT_EQ(got.gso(), 0);
    EXPECT_TRUE(got.frame == Ip(kUdp, kFlow, text)) << "completed by the host";
  }
  void ExpectPartial() {
    SendPartial();
    Delivered got = Next();
    EXPECT_EQ(got.flags(), kNeedsCsum);
    EXPECT_EQ(got.gso(), 0);
    EXPECT_EQ(got.Field(6), kTransport);
    EXPECT_EQ(got.Field(8), 6);
    EXPECT_TRUE(got.frame == Ip(kUdp, kFlow, text, Checksum::kPartial));
    // As a driver completes it: the sum from csum_start on, at csum_offset.
    const uint16_t sum = Sum(got.frame.substr(got.Field(6)));
    got.frame.replace(static_cast<size_t>(got.Field(6) + got.Field(8)), 2, Net16(0xffff & ~sum));
    EXPECT_TRUE(got.frame == Ip(kUdp, kFlow, text));
  }
  /// A large frame arrives in three, each of them whole.
  void ExpectSegmented() {
    SendFromHost(Large(), LargeHeader());
    std::string stream;
    for (size_t i = 0; i < 3; ++i) {
      const Delivered got = Next();
      EXPECT_EQ(got.flags(), 0) << i;
      EXPECT_EQ(got.gso(), 0) << i;
      EXPECT_TRUE(Valid(got.frame)) << i;
      EXPECT_EQ(got.frame.substr(kTransport + 4, 4), Net32(1 + i * kSegment)) << "its place";
      stream += got.frame.substr(kTransport + 20);
    }
    EXPECT_TRUE(stream == large);
  }
};

TEST_F(NetOffload, AGuestThatTakesNoneGetsWholeFrames) {
  Covers({"virtio 5.1.6.4.1 flags", "virtio 5.1.6.4.1 gso"});
  StartOnTap();
  StartTapDriver(kBasic);
  ExpectCompleted();
  ExpectSegmented();
  // A frame whose checksum nobody has looked at.
  const std::string wrong = Ip(kUdp, kFlow, text, Checksum::kWrong);
  SendFromHost(wrong);
  const Delivered got = Next();
  EXPECT_EQ(got.flags(), 0);
  EXPECT_TRUE(got.frame == wrong);
}

TEST_F(NetOffload, PartialChecksumsCanBeCompleted) {
  Covers({"virtio 5.1.6.4.1 validated", "virtio 5.1.6.4.1 data-valid", "virtio 5.1.6.4.1 gso"});
  StartOnTap();
  StartTapDriver(kBasic | Bits({kGuestCsum}));
  ExpectPartial();
  const std::string wrong = Ip(kUdp, kFlow, text, Checksum::kWrong);
  SendFromHost(wrong);
  const Delivered got = Next();
  EXPECT_EQ(got.flags(), 0) << "not validated, and not partial";
  EXPECT_TRUE(got.frame == wrong);
  // Segments are not offloaded with that.
  SendFromHost(Large(), LargeHeader());
  for (int i = 0; i < 3; ++i) {
    const Delivered segment = Next();
    EXPECT_EQ(segment.gso(), 0) << i;
    EXPECT_EQ(segment.flags() & kDataValid, 0) << i;
  }
}

TEST_F(NetOffload, ALargeFrameComesWithWhatItsSegmentsNeed) {
  Covers({"virtio 5.1.6.4.1 gso-csum", "virtio 5.1.6.4.1 gso", "virtio 5.1.6.4.1 validated"});
  StartOnTap();
  StartTapDriver(kBasic | Bits({kGuestCsum, kGuestTso4}));
  SendFromHost(Large(), LargeHeader());
  const Delivered got = Next();
  EXPECT_EQ(got.flags() & kNeedsCsum, kNeedsCsum);
  EXPECT_EQ(got.gso(), kGsoTcp4);
  EXPECT_EQ(got.Field(4), kSegment) << "gso_size";
  EXPECT_EQ(got.Field(6), kTransport);
  EXPECT_EQ(got.Field(8), 16);
  EXPECT_EQ(got.Field(10), 1) << "num_buffers";
  EXPECT_TRUE(got.frame == Large());
  ExpectPartial();

  // TCP over IPv6 was not agreed on.
  std::string tcp = Net16(1000) + Net16(2000) + Net32(1) + Net32(1) + "\x50\x10" + Net16(0x100) +
                    std::string(4, '\0') + large;
  const std::string addresses =
      "\xfd" + std::string(14, '\0') + "\1\xfd" + std::string(14, '\0') + "\2";
  tcp.replace(16, 2, Net16(Sum(addresses + Net32(tcp.size()) + Net32(kTcp))));
  SendFromHost(Raw(kOwn) + Raw(kHost) + Net16(0x86dd) + Net32(0x60000000) + Net16(tcp.size()) +
                   static_cast<char>(kTcp) + "\x40" + addresses + tcp,
               Header(kNeedsCsum, kGsoTcp6, 74, kSegment, 54, 16));
  std::string stream;
  for (int i = 0; i < 3; ++i) {
    const Delivered segment = Next();
    EXPECT_EQ(segment.gso(), 0) << i;
    stream += segment.frame.substr(74);
  }
  EXPECT_TRUE(stream == large);
}

TEST_F(NetOffload, CoalescedFramesSayHowManyTheyWere) {
  Covers({"virtio 5.1.6.4.1 rsc"});
  const auto send = [&] {
    std::string first = Ip(kTcp, kFlow, "ABCDEFGHIJ"), second = Ip(kTcp, kFlow, "KLMNOPQRSTUVWXYZ");
    second.replace(kTransport + 4, 4, Net32(11));
    SendFromHost(first);
    SendFromHost(second);
  };
  // The first waits so long, in nanoseconds, for another one.
  StartOnTap(",guest_rsc_ext=on,rsc_interval=300000000");
  for (bool coalesce : {true, false}) {
    SCOPED_TRACE(coalesce);
    Prepare(kBasic | Bits({kGuestCsum, kGuestTso4}) | (coalesce ? Bits({kRscExt}) : 0));
    Begin();
    send();
    std::string stream;
    for (int i = 0; i < (coalesce ? 1 : 2); ++i) {
      const Delivered got = Next();
      stream += got.frame.substr(kTransport + 20);
      EXPECT_EQ(got.flags() & kRscInfo, coalesce ? kRscInfo : 0);
      if (coalesce) {
        EXPECT_EQ(got.gso(), kGsoTcp4);
        EXPECT_EQ(got.Field(6), 2) << "two frames";
        EXPECT_EQ(got.Field(8), 0) << "no repeated acknowledgement";
      }
    }
    EXPECT_EQ(stream, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    if (coalesce) {
      const std::string alone = Ip(kTcp, kFlow, text);
      SendFromHost(alone);
      const Delivered got = Next();
      EXPECT_EQ(got.flags() & kRscInfo, 0) << "a frame alone";
      EXPECT_EQ(got.gso(), 0);
      EXPECT_TRUE(got.frame == alone);
    }
    device->Reset();
  }
}

TEST_F(NetOffload, TheDriverSwitchesThem) {
  StartOnTap();
  const uint64_t features = kBasic | Bits({kGuestCsum, kGuestTso4, kCtrl, kGuestOffloads});
  StartTapDriver(features);
  const auto set = [&](uint64_t bits, size_t size = 8) {
    return Command(kOffloads, 0,
                   std::string(reinterpret_cast<const char*>(&bits), 8).substr(0, size));
  };
  ExpectPartial();
  EXPECT_EQ(set(0), kAck);
  ExpectCompleted();
  ExpectSegmented();
  EXPECT_EQ(set(Bits({kGuestCsum})), kAck);
  ExpectPartial();
  SendFromHost(Large(), LargeHeader());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Next().gso(), 0);
  EXPECT_EQ(set(Bits({kGuestCsum, kGuestTso4})), kAck);
  SendFromHost(Large(), LargeHeader());
  EXPECT_EQ(Next().gso(), kGsoTcp4);

  EXPECT_EQ(set(Bits({kGuestCsum, 8})), kError) << "TSO6 was not agreed on";
  EXPECT_EQ(set(Bits({kGuestCsum, 40})), kError) << "no offload";
  EXPECT_EQ(set(0, 7), kError) << "seven bytes";
  EXPECT_EQ(Command(kOffloads, 1, std::string(8, '\0')), kError) << "no such command";
  SendFromHost(Large(), LargeHeader());
  EXPECT_EQ(Next().gso(), kGsoTcp4) << "they are what they were";
  EXPECT_EQ(set(0), kAck);
  device->Reset();
  StartTapDriver(features);
  ExpectPartial();
}

TEST_F(NetOffload, TheHeaderAloneSaysWhatTheHostCompletes) {
  Covers({"virtio 5.1.6.2.2 no-csum", "virtio 5.1.6.2.2 checksum", "virtio 5.1.6.2.2 hdr-len"});
  StartOnTap();
  StartTapDriver(kBasic | Bits({kCsum, kHostTso4}));
  // Without NEEDS_CSUM, csum_start and csum_offset mean nothing, and the checksum may be wrong.
  for (Checksum checksum : {Checksum::kWhole, Checksum::kWrong, Checksum::kPartial}) {
    const std::string frame = Ip(kUdp, kFlow, text, checksum, /*to_guest=*/false);
    SendFromGuest(frame, Header(0, 0, 20, 0x5678, kTransport, 6));
    const Delivered got = NextAtHost();
    EXPECT_EQ(got.flags() & kNeedsCsum, 0);
    EXPECT_TRUE(got.frame == frame) << "not a byte has changed";
  }
  const std::string partial = Ip(kUdp, kFlow, text, Checksum::kPartial, false);
  SendFromGuest(partial, Header(kNeedsCsum, 0, 0, 0, kTransport, 6));
  Delivered got = NextAtHost();
  EXPECT_EQ(got.flags() & kNeedsCsum, kNeedsCsum);
  EXPECT_EQ(got.Field(6), kTransport);
  EXPECT_EQ(got.Field(8), 6);
  EXPECT_TRUE(got.frame == partial);
  for (uint16_t header_length : {uint16_t{kTransport + 20}, uint16_t{0}}) {
    SendFromGuest(Large(false),
                  Header(kNeedsCsum, kGsoTcp4, header_length, kSegment, kTransport, 16));
    got = NextAtHost();
    EXPECT_EQ(got.gso(), kGsoTcp4);
    EXPECT_EQ(got.Field(4), kSegment);
    EXPECT_TRUE(got.frame == Large(false));
  }
}

}  // namespace
}  // namespace stx
