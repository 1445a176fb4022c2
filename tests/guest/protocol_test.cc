// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/protocol.h"

#include <gtest/gtest.h>

#include "base/throws.h"

namespace stx {
namespace {

TEST(Protocol, MessageSurvivesByteByByteDelivery) {
  std::string all_bytes;
  for (int i = 0; i < 256; i++) all_bytes += static_cast<char>(i);
  json message{{"op", "write"}, {"path", "/share/ä"}, {"data", MakeBytes(all_bytes)}, {"n", -1}};
  std::string stream = EncodeFrame(message) + EncodeFrame({{"ok", true}});
  FrameDecoder decoder;
  std::vector<json> got;
  for (char byte : stream) {
    decoder.Append({&byte, 1});
    while (auto next = decoder.Take()) got.push_back(*next);
  }
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0], message);
  EXPECT_EQ(GetBytes(got[0]["data"]), all_bytes);
  EXPECT_EQ(got[1], json({{"ok", true}}));
  EXPECT_TRUE(decoder.empty());
}

TEST(Protocol, LengthIsLittleEndianAndCountsTheBody) {
  std::string frame = EncodeFrame(json::object());
  EXPECT_EQ(frame, std::string("\x01\0\0\0\xa0", 5));  // RFC 8949: a0 is the empty map
}

TEST(Protocol, OversizedFrameIsRefusedFromItsHeaderAlone) {
  FrameDecoder decoder;
  static_assert(kMaxFrame == 20u << 20);
  decoder.Append(std::string("\x01\0\x40\x01", 4));  // 20 MiB + 1; no body follows
  EXPECT_TRUE(Throws<std::runtime_error>("over the limit", [&] { decoder.Take(); }));
}

TEST(Protocol, MessageOverTheLimitIsNotSent) {
  EXPECT_NO_THROW(EncodeFrame({{"data", MakeBytes(std::string(kMaxFrame - 64, 'x'))}}));
  EXPECT_THROW(EncodeFrame({{"data", MakeBytes(std::string(kMaxFrame, 'x'))}}), std::length_error);
}

TEST(Protocol, GarbageIsRefused) {
  for (std::string_view body : {std::string_view("\xff\xff", 2),      // not CBOR
                                std::string_view("\xa0\xa0", 2),      // two items in a frame
                                std::string_view("\xa1\x61\x61", 3),  // an incomplete map
                                std::string_view("\x80", 1),          // an array
                                std::string_view("", 0)}) {
    FrameDecoder decoder;
    std::string frame(4, '\0');
    frame[0] = static_cast<char>(body.size());
    decoder.Append(frame);
    decoder.Append(body);
    EXPECT_TRUE(Throws<std::runtime_error>("a frame that is not", [&] { decoder.Take(); }))
        << testing::PrintToString(std::string(body));
  }
}

TEST(Protocol, TextServesWhereBytesAreAsked) {
  EXPECT_EQ(GetBytes("text"), "text");
  EXPECT_TRUE(Throws<std::runtime_error>("a byte string was expected", [] { GetBytes(7); }));
}

}  // namespace
}  // namespace stx
