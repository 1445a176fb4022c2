// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/vsock/vsock_mux.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vector>

namespace stx {
namespace {

constexpr uint64_t kGuestCid = 42;

/// The mux. The test acts as the guest, one packet at a time, and as the host's processes.
class VsockMuxTest : public ::testing::Test {
 protected:
  VsockMuxTest() { mux.Reset(true); }

  /// A packet from the guest's port 7 to the host's port 80, unless `header` says otherwise.
  void FromGuest(VsockHeader header, std::string bytes = {}) {
    if (header.src_cid == 0) header.src_cid = kGuestCid;
    if (header.dst_cid == 0) header.dst_cid = kVsockHostCid;
    if (header.src_port == 0) header.src_port = 7;
    if (header.dst_port == 0) header.dst_port = 80;
    header.buf_alloc = 1 << 20;
    header.len = static_cast<uint32_t>(bytes.size());
    iovec part{bytes.data(), bytes.size()};
    mux.Receive(header, {&part, 1});
  }

  /// The next packet for the guest, with its bytes in `payload`; op 0 if there is none.
  VsockHeader ToGuest() {
    char room[4096];
    iovec part{room, sizeof(room)};
    for (Deadline deadline(Milliseconds(mux.HasOutput() ? 0 : 1000));;) {
      if (auto header = mux.Send({&part, 1})) {
        EXPECT_EQ(header->src_cid, kVsockHostCid);
        EXPECT_EQ(header->dst_cid, kGuestCid);
        payload.assign(room, header->len);
        return *header;
      }
      if (!loop.Step(Milliseconds(deadline.PollMs()))) return {};
    }
  }

  void Idle() {
    while (loop.Step(Milliseconds(0))) {
    }
  }

  /// A host process that has connected to the mux and written `line`.
  UniqueFd Host(const std::string& line) {
    UniqueFd host = ConnectUnix(dir / "vsock", Deadline(Milliseconds(1000)));
    WriteAll(host.get(), line);
    for (int i = 0; i < 4; ++i) loop.Step(Milliseconds(20));
    return host;
  }

  /// What the process can read until nothing arrives for a while; "EOF" at the end.
  static std::string Read(const UniqueFd& fd) {
    std::string text;
    char bytes[4096];
    while (WaitFor(fd.get(), POLLIN, Deadline(Milliseconds(20)))) {
      ssize_t n = read(fd.get(), bytes, sizeof(bytes));
      if (n <= 0) return text + "EOF";
      text.append(bytes, static_cast<size_t>(n));
    }
    return text;
  }

  UniqueFd AcceptGuest() { return Accept(listener.get(), Deadline(Milliseconds(1000))); }

  TempDir dir;
  UniqueFd listener = ListenUnix(dir / "vsock_80", 4096);
  EventLoop loop;
  VsockMux mux{loop, kGuestCid, dir / "vsock", [] {}};
  std::string payload;
};

TEST_F(VsockMuxTest, ARequestReachesTheListenerOfItsPort) {
  FromGuest({.op = kVsockRequest});
  VsockHeader response = ToGuest();
  EXPECT_EQ(response.op, kVsockResponse);
  EXPECT_EQ(response.src_port, 80u);
  EXPECT_EQ(response.dst_port, 7u);
  EXPECT_EQ(response.type, kVsockStream);
  UniqueFd host = AcceptGuest();
  FromGuest({.op = kVsockRw}, "hello");
  EXPECT_EQ(Read(host), "hello");
  WriteAll(host.get(), "back");
  EXPECT_EQ(ToGuest().op, kVsockRw);
  EXPECT_EQ(payload, "back");
}

TEST_F(VsockMuxTest, ARequestToAPortWithoutListenerIsRefused) {
  FromGuest({.dst_port = 81, .op = kVsockRequest});
  VsockHeader rst = ToGuest();
  EXPECT_EQ(rst.op, kVsockRst);
  EXPECT_EQ(rst.src_port, 81u);
  EXPECT_EQ(rst.dst_port, 7u);
}

TEST_F(VsockMuxTest, PacketsOfOtherCidsAreDropped) {
  FromGuest({.src_cid = 43, .op = kVsockRequest});
  FromGuest({.dst_cid = 1, .op = kVsockRequest});
  FromGuest({.dst_cid = kGuestCid, .op = kVsockRequest});
  FromGuest({.dst_cid = (uint64_t{1} << 32) + 2, .op = kVsockRequest});
  EXPECT_FALSE(mux.HasOutput());
}

TEST_F(VsockMuxTest, AnUnknownTypeIsAnsweredByRst) {
  FromGuest({.type = 2, .op = kVsockRequest});
  VsockHeader rst = ToGuest();
  EXPECT_EQ(rst.op, kVsockRst);
  EXPECT_EQ(rst.type, 2);
}

TEST_F(VsockMuxTest, AnUnknownStreamIsAnsweredByRstButARstIsNot) {
  for (VsockOp op : {kVsockRw, kVsockResponse, kVsockShutdown, kVsockCreditUpdate}) {
    FromGuest({.op = op}, "x");
    EXPECT_EQ(ToGuest().op, kVsockRst) << op;
  }
  FromGuest({.op = kVsockRst});
  FromGuest({.type = 2, .op = kVsockRst});
  EXPECT_FALSE(mux.HasOutput());
}

TEST_F(VsockMuxTest, ASecondRequestOnAStreamResetsIt) {
  FromGuest({.op = kVsockRequest});
  UniqueFd host = AcceptGuest();
  FromGuest({.op = kVsockRequest});
  EXPECT_EQ(ToGuest().op, kVsockRst);
  EXPECT_FALSE(mux.HasOutput()) << "the RESPONSE of a stream that is over";
  EXPECT_EQ(Read(host), "EOF");
}

TEST_F(VsockMuxTest, AHostIsConnectedToTheGuestsPort) {
  UniqueFd host = Host("CONNECT 1234\nand this is for the guest");
  VsockHeader request = ToGuest();
  EXPECT_EQ(request.op, kVsockRequest);
  EXPECT_EQ(request.dst_port, 1234u);
  EXPECT_EQ(Read(host), "");
  FromGuest({.src_port = 1234, .dst_port = request.src_port, .op = kVsockResponse});
  EXPECT_EQ(Read(host), "OK " + std::to_string(request.src_port) + "\n");
  EXPECT_EQ(ToGuest().op, kVsockRw);
  EXPECT_EQ(payload, "and this is for the guest");
}

TEST_F(VsockMuxTest, AHostThatTheGuestRefusesIsClosed) {
  UniqueFd host = Host("CONNECT 1234\n");
  VsockHeader request = ToGuest();
  FromGuest({.src_port = 1234, .dst_port = request.src_port, .op = kVsockRst});
  EXPECT_EQ(Read(host), "EOF");
}

TEST_F(VsockMuxTest, TheGreetingMayComeInPieces) {
  UniqueFd host = Host("CON");
  WriteAll(host.get(), "NECT 12");
  Idle();
  WriteAll(host.get(), "34\n");
  EXPECT_EQ(ToGuest().dst_port, 1234u);
}

TEST_F(VsockMuxTest, AnyOtherGreetingIsClosed) {
  for (std::string line : {"\n", "CONNECT\n", "CONNECT \n", "CONNECT 12x\n", "CONNECT -1\n",
                           "CONNECT 4294967296\n", "connect 12\n", "GET / HTTP/1.1\r\n",
                           "CONNECT 00000000000000000000000000000000000000001\n"})
    EXPECT_TRUE(Read(Host(line)).ends_with("EOF")) << line;
  EXPECT_FALSE(mux.HasOutput());
}

TEST_F(VsockMuxTest, AHostIsRefusedWhileThereIsNoDriver) {
  mux.Reset(false);
  EXPECT_EQ(Read(Host("CONNECT 1234\n")), "EOF");
}

TEST_F(VsockMuxTest, HostPortsDiffer) {
  UniqueFd one = Host("CONNECT 1234\n"), two = Host("CONNECT 1234\n");
  uint32_t first = ToGuest().src_port, second = ToGuest().src_port;
  EXPECT_NE(first, second);
}

TEST_F(VsockMuxTest, StreamsTakeTurns) {
  UniqueFd hosts[2];
  for (uint32_t i = 0; i < 2; ++i) {
    FromGuest({.src_port = 100 + i, .op = kVsockRequest});
    EXPECT_EQ(ToGuest().op, kVsockResponse);
    hosts[i] = AcceptGuest();
  }
  EXPECT_EQ(ToGuest().op, 0) << "both wait for bytes now";
  for (UniqueFd& host : hosts) WriteAll(host.get(), std::string(20000, 'x'));
  Idle();
  std::vector<uint32_t> order;
  for (int i = 0; i < 6; ++i) order.push_back(ToGuest().dst_port);
  for (size_t i = 2; i < 6; ++i) EXPECT_NE(order[i], order[i - 1]);
}

TEST_F(VsockMuxTest, AResetEndsAllStreamsButDeliversWhatTheGuestSent) {
  FromGuest({.op = kVsockRequest});
  UniqueFd host = AcceptGuest(), other = Host("CONNECT 1234\n");
  size_t sent = 0;
  for (; sent < 400 * 1024; sent += 4096) FromGuest({.op = kVsockRw}, std::string(4096, 'x'));
  FromGuest({.src_port = 9, .op = kVsockRw}, "provokes a RST");
  mux.Reset(true);
  EXPECT_FALSE(mux.HasOutput());
  EXPECT_EQ(Read(other), "EOF");
  std::string got;
  for (int i = 0; i < 100 && !got.ends_with("EOF"); ++i) {
    got += Read(host);
    Idle();
  }
  EXPECT_EQ(got.size(), sent + 3);
  FromGuest({.op = kVsockRw}, "from before");
  EXPECT_EQ(ToGuest().op, kVsockRst);
}

TEST_F(VsockMuxTest, OneStreamMoreThanTheLimitIsRefused) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_max < 2 * VsockMux::kMaxStreams) GTEST_SKIP() << "too few descriptors allowed";
  rlimit raised{2 * VsockMux::kMaxStreams, limit.rlim_max};
  setrlimit(RLIMIT_NOFILE, &raised);
  listener = ListenUnix(dir / "vsock_80", 4096);
  for (uint32_t i = 0; i < VsockMux::kMaxStreams; ++i) {
    FromGuest({.src_port = 1000 + i, .op = kVsockRequest});
    ASSERT_EQ(ToGuest().op, kVsockResponse) << i;
  }
  FromGuest({.src_port = 1, .op = kVsockRequest});
  EXPECT_EQ(ToGuest().op, kVsockRst);
  UniqueFd host = Host("CONNECT 1234\n");
  EXPECT_EQ(Read(host), "") << "waits in the backlog";
  FromGuest({.src_port = 1000, .op = kVsockRst});
  EXPECT_EQ(ToGuest().op, kVsockRequest) << "its turn";
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace
}  // namespace stx
