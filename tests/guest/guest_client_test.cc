// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/guest_client.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <thread>

#include "base/throws.h"

namespace stx {
namespace {

/// The guest's end of a connection; the test acts as the guest.
class FakeGuest {
 public:
  FakeGuest() {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) ThrowErrno("socketpair");
    host_.Reset(ends[0]);
    guest_.Reset(ends[1]);
  }
  GuestAgent Agent() { return GuestAgent(std::move(host_)); }
  json Next() {
    for (;;) {
      if (auto request = decoder_.Take()) return *request;
      std::array<char, 4096> chunk;
      ssize_t n = recv(guest_.get(), chunk.data(), chunk.size(), 0);
      if (n <= 0) return nullptr;
      decoder_.Append({chunk.data(), static_cast<size_t>(n)});
    }
  }
  void Say(const std::string& bytes) { WriteAll(guest_.get(), bytes); }
  void HangUp() { guest_.Reset(); }

 private:
  UniqueFd host_, guest_;
  FrameDecoder decoder_;
};

template <typename F>
std::string GetRefusal(F&& call) {
  try {
    call();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

TEST(GuestClient, ErrorIsTheGuestsSentence) {
  FakeGuest guest;
  GuestAgent agent = guest.Agent();
  guest.Say(EncodeFrame({{"error", "/nowhere: No such file or directory"}}));
  EXPECT_THROW(
      {
        try {
          agent.Read("/nowhere");
        } catch (const GuestError& error) {
          EXPECT_STREQ(error.what(), "read: /nowhere: No such file or directory");
          throw;
        }
      },
      GuestError);
  EXPECT_EQ(guest.Next()["path"], "/nowhere");
  // A refusal must not close the connection.
  guest.Say(EncodeFrame({{"ok", true}, {"release", "6.1"}}));
  EXPECT_EQ(agent.Info()["release"], "6.1");
}

TEST(GuestClient, ReadGoesOnUntilAShortPiece) {
  FakeGuest guest;
  GuestAgent agent = guest.Agent();
  std::string content(kMaxFrame / 2 + 3, 'c');
  std::thread other([&] {
    for (json request; !(request = guest.Next()).is_null();)
      guest.Say(EncodeFrame({{"ok", true},
                             {"data", MakeBytes(std::string_view(content).substr(
                                          request["offset"], request["length"]))}}));
  });
  std::string read = GetRefusal([&] { EXPECT_TRUE(agent.Read("/big") == content); });
  EXPECT_EQ(read, "");
  agent = GuestAgent(UniqueFd());
  other.join();
}

TEST(GuestClient, LateAnswerIsNotTakenForTheNextRequests) {
  FakeGuest guest;
  GuestAgent agent = guest.Agent();
  EXPECT_EQ(GetRefusal([&] {
              agent.Request({{"op", "info"}}, Milliseconds(20));
            }),
            "info: the guest did not answer before the deadline");
  EXPECT_EQ(GetRefusal([&] {
              agent.Request({{"op", "cpus"}});
            }),
            "cpus: the connection to the guest is lost");
}

TEST(GuestClient, EndOfTheGuestIsSaid) {
  FakeGuest guest;
  GuestAgent agent = guest.Agent();
  guest.HangUp();
  EXPECT_NE(GetRefusal([&] { agent.Info(); }), "");
}

TEST(GuestClient, GarbageEndsTheConnection) {
  FakeGuest guest;
  GuestAgent agent = guest.Agent();
  guest.Say("SeaBIOS (version 1.16)");
  EXPECT_NE(GetRefusal([&] { agent.Info(); }).find("over the limit"), std::string::npos);
  EXPECT_NE(GetRefusal([&] { agent.Info(); }).find("is lost"), std::string::npos);
}

TEST(GuestClient, GuestThatNeverCallsIsADeadline) {
  TempDir dir;
  UniqueFd listener = ListenUnix(dir / "vsock_1024");
  EXPECT_TRUE(Throws<std::runtime_error>("nobody connected before the deadline", [&] {
    GuestAgent::Accept(listener.get(), Deadline(Milliseconds(10)));
  }));
}

}  // namespace
}  // namespace stx
