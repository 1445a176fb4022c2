// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/vsock/vsock_stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace stx {
namespace {

TEST(VsockCredit, IsWhatThePeerHasFree) {
  VsockCredit credit;
  EXPECT_EQ(credit.Available(), 0u);
  credit.Update(1000, 0);
  credit.Sent(600);
  EXPECT_EQ(credit.Available(), 400u);
  credit.Sent(400);
  EXPECT_EQ(credit.Available(), 0u);
  credit.Update(1000, 250);
  EXPECT_EQ(credit.Available(), 250u);
}

TEST(VsockCredit, CountsWrapAt32Bits) {
  VsockCredit credit;
  credit.Update(1000, 0);
  credit.Sent(0xffffff00u);
  credit.Update(1000, 0xffffff00u);
  credit.Sent(900);  // wraps
  EXPECT_EQ(credit.Available(), 100u);
  credit.Update(1000, 0x100);  // so does the peer's count
  EXPECT_EQ(credit.Available(), 1000u - (900 - 0x200));
}

TEST(VsockCredit, APeerThatTookMoreThanWasSentGivesNone) {
  VsockCredit credit;
  credit.Update(1000, 1);
  EXPECT_EQ(credit.Available(), 0u);
}

TEST(VsockCredit, APeerThatShrinksItsBufferGivesNone) {
  VsockCredit credit;
  credit.Update(1000, 0);
  credit.Sent(800);
  credit.Update(799, 0);
  EXPECT_EQ(credit.Available(), 0u);
}

TEST(VsockCredit, LetsTheGuestFillTheBufferAndNoMore) {
  VsockCredit credit;
  EXPECT_TRUE(credit.Received(VsockCredit::kBufAlloc - 1));
  EXPECT_FALSE(credit.Received(2));
  EXPECT_TRUE(credit.Received(1));
  EXPECT_FALSE(credit.Received(1));
  credit.Forwarded(1);
  EXPECT_TRUE(credit.Received(1));
  EXPECT_FALSE(credit.Received(0xffffffffu));
}

TEST(VsockCredit, UpdateIsDueOnceAQuarterIsFreeAndUntold) {
  VsockCredit credit;
  ASSERT_TRUE(credit.Received(VsockCredit::kBufAlloc));
  credit.Forwarded(VsockCredit::kBufAlloc / 4 - 1);
  EXPECT_FALSE(credit.UpdateDue());
  credit.Forwarded(1);
  EXPECT_TRUE(credit.UpdateDue());
  VsockHeader header;
  credit.Announce(header);
  EXPECT_EQ(header.buf_alloc, VsockCredit::kBufAlloc);
  EXPECT_EQ(header.fwd_cnt, VsockCredit::kBufAlloc / 4);
  EXPECT_FALSE(credit.UpdateDue());
}

/// A stream. The test acts as the guest on one side and as the host process on the other.
class VsockStreamTest : public ::testing::Test {
 protected:
  VsockStreamTest() { NewPair(); }

  void NewPair() {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
      ThrowErrno("socketpair");
    host.Reset(pair[0]);
    device.Reset(pair[1]);
  }

  /// A stream that the guest has opened and whose RESPONSE it has received.
  VsockStream Open(uint32_t guest_buf_alloc = 65536) {
    VsockStream stream = VsockStream::FromGuest(
        std::move(device), {.op = kVsockRequest, .buf_alloc = guest_buf_alloc});
    EXPECT_EQ(Send(stream), kVsockResponse);
    return stream;
  }

  /// The op of the packet that the stream sends next, 0 if there is none; the rest is in `header`
  /// and `payload`.
  uint16_t Send(VsockStream& stream) {
    char room[4096];
    iovec part{room, sizeof(room)};
    bool wanted = stream.WantsToSend();
    auto sent = stream.Send({&part, 1});
    EXPECT_TRUE(wanted || !sent) << "sent what it did not want to";
    header = sent.value_or(VsockHeader{});
    payload.assign(room, header.len);
    return header.op;
  }

  void Receive(VsockStream& stream, VsockHeader from_guest, std::string bytes = {}) {
    from_guest.len = static_cast<uint32_t>(bytes.size());
    if (from_guest.buf_alloc == 0) from_guest.buf_alloc = 65536;
    iovec part{bytes.data(), bytes.size()};
    stream.Receive(from_guest, {&part, 1});
  }

  /// What the host process can read now; "EOF" at the end.
  std::string HostReads() {
    std::string text;
    char bytes[65536];
    ssize_t n;
    while ((n = read(host.get(), bytes, sizeof(bytes))) > 0)
      text.append(bytes, static_cast<size_t>(n));
    return n == 0 ? text + "EOF" : text;
  }

  /// Gives the stream more than the socket accepts, so that bytes remain in the stream.
  std::string Overfill(VsockStream& stream) {
    std::string all;
    while (!stream.Draining()) {
      std::string chunk;  // large, so that the socket accepts part of it; each byte position can be
                          // recognized
      while (chunk.size() < 50000) chunk += std::to_string(all.size() + chunk.size()) + ' ';
      Receive(stream, {.op = kVsockRw}, chunk);
      EXPECT_EQ(stream.end(), VsockStream::End::kNo);
      all += chunk;
    }
    return all;
  }

  UniqueFd host, device;
  VsockHeader header;
  std::string payload;
};

TEST_F(VsockStreamTest, CarriesBytesBothWays) {
  VsockStream stream = Open();
  Receive(stream, {.op = kVsockRw}, "to the host");
  EXPECT_EQ(HostReads(), "to the host");
  WriteAll(host.get(), "to the guest");
  EXPECT_EQ(Send(stream), kVsockRw);
  EXPECT_EQ(payload, "to the guest");
  EXPECT_EQ(header.fwd_cnt, 11u);
  EXPECT_EQ(header.buf_alloc, VsockCredit::kBufAlloc);
  EXPECT_EQ(Send(stream), 0);
  EXPECT_EQ(stream.WantedEvents(), static_cast<uint32_t>(EPOLLIN));
}

TEST_F(VsockStreamTest, SendsNoMoreThanTheGuestHasRoomForAndAsksOnce) {
  VsockStream stream = Open(10);
  WriteAll(host.get(), "0123456789abcdef");
  EXPECT_EQ(Send(stream), kVsockRw);
  EXPECT_EQ(payload, "0123456789");
  EXPECT_EQ(Send(stream), kVsockCreditRequest);
  EXPECT_FALSE(stream.WantsToSend());
  EXPECT_EQ(stream.WantedEvents(), std::nullopt) << "would be woken for what it cannot send";
  Receive(stream, {.op = kVsockCreditUpdate, .buf_alloc = 10, .fwd_cnt = 4});
  EXPECT_EQ(Send(stream), kVsockRw);
  EXPECT_EQ(payload, "abcd");
  EXPECT_EQ(Send(stream), kVsockCreditRequest);
  Receive(stream, {.op = kVsockCreditUpdate, .buf_alloc = 10, .fwd_cnt = 14});
  EXPECT_EQ(Send(stream), kVsockRw);
  EXPECT_EQ(payload, "ef");
}

TEST_F(VsockStreamTest, AnswersACreditRequest) {
  VsockStream stream = Open();
  Receive(stream, {.op = kVsockRw}, "12345");
  Receive(stream, {.op = kVsockCreditRequest});
  EXPECT_EQ(Send(stream), kVsockCreditUpdate);
  EXPECT_EQ(header.fwd_cnt, 5u);
  EXPECT_EQ(Send(stream), 0);
}

TEST_F(VsockStreamTest, AHostThatDoesNotReadStallsTheGuestByCredit) {
  VsockStream stream = Open();
  Send(stream);
  std::string all = Overfill(stream);
  Receive(stream, {.op = kVsockCreditRequest});
  ASSERT_EQ(Send(stream), kVsockCreditUpdate);
  uint32_t room = header.buf_alloc - (static_cast<uint32_t>(all.size()) - header.fwd_cnt);
  EXPECT_LT(room, VsockCredit::kBufAlloc);
  while (room) {
    std::string chunk(std::min(room, 65536u), 'z');
    Receive(stream, {.op = kVsockRw}, chunk);
    all += chunk;
    room -= static_cast<uint32_t>(chunk.size());
  }
  ASSERT_EQ(stream.end(), VsockStream::End::kNo);
  EXPECT_EQ(*stream.WantedEvents() & EPOLLOUT, static_cast<uint32_t>(EPOLLOUT));

  std::string got;
  while (got.size() < all.size()) {
    std::string part = HostReads();
    ASSERT_FALSE(part.empty());
    got += part;
    stream.HandleEvents(EPOLLOUT);
  }
  EXPECT_TRUE(got == all);
  EXPECT_FALSE(stream.Draining());
  EXPECT_EQ(Send(stream), kVsockCreditUpdate) << "the guest must be told that it may continue";
  EXPECT_EQ(header.fwd_cnt, all.size());
}

TEST_F(VsockStreamTest, AGuestThatSendsPastItsCreditIsReset) {
  VsockStream stream = Open();
  Overfill(stream);
  for (int i = 0; i < 5 && stream.end() == VsockStream::End::kNo; ++i)
    Receive(stream, {.op = kVsockRw}, std::string(65536, 'z'));
  EXPECT_EQ(stream.end(), VsockStream::End::kReset);
}

TEST_F(VsockStreamTest, HostHalfCloseIsAHalfClose) {
  VsockStream stream = Open();
  WriteAll(host.get(), "last");
  shutdown(host.get(), SHUT_WR);
  EXPECT_EQ(Send(stream), kVsockRw);
  EXPECT_EQ(payload, "last");
  EXPECT_EQ(Send(stream), kVsockShutdown);
  EXPECT_EQ(header.flags, kVsockNoSend);
  EXPECT_EQ(Send(stream), 0);
  Receive(stream, {.op = kVsockRw}, "still heard");
  EXPECT_EQ(HostReads(), "still heard");
  EXPECT_EQ(stream.WantedEvents(), 0u) << "waits for the hang-up alone";
  host.Reset();
  stream.HandleEvents(EPOLLHUP);
  EXPECT_EQ(Send(stream), kVsockShutdown);
  EXPECT_EQ(header.flags, static_cast<uint32_t>(kVsockNoSend | kVsockNoReceive));
  EXPECT_EQ(stream.WantedEvents(), std::nullopt);
  Receive(stream, {.op = kVsockRst});
  EXPECT_EQ(stream.end(), VsockStream::End::kSilent);
}

TEST_F(VsockStreamTest, HostCloseDeliversEverythingFirst) {
  VsockStream stream = Open();
  WriteAll(host.get(), std::string(6000, 'x'));
  host.Reset();
  EXPECT_EQ(Send(stream), kVsockRw);
  EXPECT_EQ(payload.size(), 4096u);
  EXPECT_EQ(Send(stream), kVsockRw);
  EXPECT_EQ(payload.size(), 6000u - 4096u);
  EXPECT_EQ(Send(stream), kVsockShutdown);
  EXPECT_EQ(header.flags, static_cast<uint32_t>(kVsockNoSend | kVsockNoReceive));
}

TEST_F(VsockStreamTest, BytesForAHostThatIsGoneAreDroppedButCredited) {
  VsockStream stream = Open();
  host.Reset();
  Receive(stream, {.op = kVsockRw}, "nobody reads this");
  EXPECT_EQ(stream.end(), VsockStream::End::kNo);
  EXPECT_EQ(Send(stream), kVsockShutdown);
  EXPECT_TRUE(header.flags & kVsockNoReceive);
  EXPECT_EQ(header.fwd_cnt, 17u);
}

TEST_F(VsockStreamTest, GuestHalfCloseReachesTheHostAfterItsBytes) {
  VsockStream stream = Open();
  Send(stream);
  std::string all = Overfill(stream);
  Receive(stream, {.op = kVsockShutdown, .flags = kVsockNoSend});
  EXPECT_EQ(stream.end(), VsockStream::End::kNo);
  std::string got;
  for (int i = 0; i < 100 && !got.ends_with("EOF"); ++i) {
    got += HostReads();
    stream.HandleEvents(EPOLLOUT);
  }
  EXPECT_TRUE(got == all + "EOF");
  WriteAll(host.get(), "answer");
  stream.HandleEvents(EPOLLIN);
  EXPECT_EQ(Send(stream), kVsockRw);
  EXPECT_EQ(payload, "answer");
}

TEST_F(VsockStreamTest, GuestCloseIsAnsweredByRstAndItsBytesStillArrive) {
  VsockStream stream = Open();
  Send(stream);
  std::string all = Overfill(stream);
  Receive(stream, {.op = kVsockShutdown, .flags = kVsockNoSend | kVsockNoReceive});
  EXPECT_EQ(stream.end(), VsockStream::End::kReset);
  EXPECT_EQ(stream.WantedEvents(), static_cast<uint32_t>(EPOLLOUT));
  std::string got;
  for (int i = 0; i < 100 && stream.Draining(); ++i) {
    got += HostReads();
    stream.HandleEvents(EPOLLOUT);
  }
  EXPECT_TRUE(got + HostReads() == all + "EOF");
}

TEST_F(VsockStreamTest, AGuestThatReadsNoMoreStopsTheHost) {
  VsockStream stream = Open();
  Receive(stream, {.op = kVsockShutdown, .flags = kVsockNoReceive});
  EXPECT_EQ(send(host.get(), "x", 1, MSG_NOSIGNAL), -1);
  EXPECT_EQ(errno, EPIPE);
  EXPECT_EQ(Send(stream), 0);
  Receive(stream, {.op = kVsockRw}, "the other way works");
  EXPECT_EQ(HostReads(), "the other way works");
}

TEST_F(VsockStreamTest, AHostsStreamStartsWithRequestAndOk) {
  VsockStream stream = VsockStream::FromHost(std::move(device), "OK 7\n");
  EXPECT_EQ(Send(stream), kVsockRequest);
  EXPECT_EQ(header.buf_alloc, VsockCredit::kBufAlloc);
  WriteAll(host.get(), "early");
  EXPECT_EQ(Send(stream), 0) << "no bytes before the guest accepts";
  EXPECT_EQ(HostReads(), "");
  Receive(stream, {.op = kVsockResponse});
  EXPECT_EQ(HostReads(), "OK 7\n");
  EXPECT_EQ(Send(stream), kVsockRw);
  EXPECT_EQ(payload, "early");
}

TEST_F(VsockStreamTest, AGuestThatRefusesClosesWithoutOk) {
  {
    VsockStream stream = VsockStream::FromHost(std::move(device), "OK 7\n");
    Send(stream);
    Receive(stream, {.op = kVsockRst});
    EXPECT_EQ(stream.end(), VsockStream::End::kSilent);
  }
  EXPECT_EQ(HostReads(), "EOF");
}

TEST_F(VsockStreamTest, AHostThatLeavesBeforeTheAnswerResetsTheGuest) {
  VsockStream stream = VsockStream::FromHost(std::move(device), "OK 7\n");
  Send(stream);
  EXPECT_EQ(stream.WantedEvents(), 0u);
  host.Reset();
  stream.HandleEvents(EPOLLHUP);
  EXPECT_EQ(stream.end(), VsockStream::End::kReset);
}

/// What a guest may not send on an open stream, or before it has answered a REQUEST.
TEST_F(VsockStreamTest, OutOfTurnPacketsAreReset) {
  for (int op : {0, int{kVsockRequest}, int{kVsockResponse}, 8, 999}) {
    NewPair();
    VsockStream stream = Open();
    Receive(stream, {.op = static_cast<uint16_t>(op)});
    EXPECT_EQ(stream.end(), VsockStream::End::kReset) << "op " << op;
  }
  for (VsockOp op : {kVsockRw, kVsockShutdown, kVsockRequest}) {
    NewPair();
    VsockStream stream = VsockStream::FromHost(std::move(device), "OK 7\n");
    Send(stream);
    Receive(stream, {.op = op}, "x");
    EXPECT_EQ(stream.end(), VsockStream::End::kReset) << "op " << op;
  }
  NewPair();
  VsockStream stream = Open();
  Receive(stream, {.op = kVsockShutdown, .flags = kVsockNoSend});
  Receive(stream, {.op = kVsockRw}, "after the end");
  EXPECT_EQ(stream.end(), VsockStream::End::kReset);
}

TEST_F(VsockStreamTest, AnAnswerBeforeTheRequestWasSentIsReset) {
  VsockStream stream = VsockStream::FromHost(std::move(device), "OK 7\n");
  Receive(stream, {.op = kVsockResponse});
  EXPECT_EQ(stream.end(), VsockStream::End::kReset);
}

}  // namespace
}  // namespace stx
