// SPDX-License-Identifier: GPL-2.0-or-later
// The client against a server of our own, which sends what each case needs.
#include "harness/qemu/qmp.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <future>
#include <thread>

#include "base/throws.h"

namespace stx {
namespace {

constexpr Milliseconds kLong{20000}, kShort{100};

/// Sends the greeting, answers qmp_capabilities, and then does what the case wants with the
/// connection.
class Server {
 public:
  using Work = std::function<void(Server&)>;

  explicit Server(Work work) : listener_(ListenUnix(path())) {
    thread_ = std::thread([this, work = std::move(work)] {
      fd_ = Accept(listener_.get(), Deadline(kLong));
      Say(R"({"event": "EARLY", "data": {}})");
      Say(R"({"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 22}}}})");
      EXPECT_EQ(Hear()["execute"], "qmp_capabilities");
      Say(R"({"return": {}})");
      work(*this);
    });
  }
  ~Server() { thread_.join(); }

  std::filesystem::path path() const { return dir_ / "qmp.sock"; }
  void Say(const std::string& line) { WriteAll(fd_.get(), line + "\n"); }
  /// The next request; null if the client has closed the connection.
  json Hear() {
    std::string line;
    for (char c = 0; WaitFor(fd_.get(), POLLIN, Deadline(kLong));) {
      if (read(fd_.get(), &c, 1) != 1) return nullptr;
      if (c == '\n') return json::parse(line);
      line += c;
    }
    throw std::runtime_error("no request");
  }
  int fd() const { return fd_.get(); }
  void HangUp() { fd_.Reset(); }

 private:
  TempDir dir_;
  UniqueFd listener_, fd_;
  std::thread thread_;
};

TEST(Qmp, RequestsHaveNoIdAndArgumentsOnlyWhenThereAreSome) {
  Server server([](Server& s) {
    EXPECT_EQ(s.Hear(), json({{"execute", "query-status"}}));
    s.Say(R"({"return": {"status": "running"}})");
    EXPECT_EQ(s.Hear(), json({{"execute", "device_del"}, {"arguments", {{"id", "x"}}}}));
    s.Say(R"({"error": {"class": "DeviceNotFound", "desc": "Device 'x' not found"}})");
  });
  Qmp qmp(server.path());
  EXPECT_EQ(qmp.greeting()["version"]["qemu"]["major"], 7);
  EXPECT_EQ(qmp.Execute("query-status")["status"], "running");
  try {
    qmp.Execute("device_del", {{"id", "x"}});
    ADD_FAILURE() << "no error";
  } catch (const QmpError& error) {
    EXPECT_EQ(error.error_class(), "DeviceNotFound");
    EXPECT_EQ(error.desc(), "Device 'x' not found");
  }
}

TEST(Qmp, EventsComeAtAnyTimeAndAreKeptInTheirOrder) {
  Server server([](Server& s) {
    s.Hear();
    s.Say(R"({"event": "A", "data": {"n": 1}})");
    s.Say(R"({"event": "B", "data": {"n": 2}})");
    s.Say(R"({"event": "A", "data": {"n": 3}})");
    s.Say(R"({"return": {}})");
    s.Say(R"({"event": "C", "data": {}})");
    s.Hear();
  });
  Qmp qmp(server.path());
  qmp.Execute("stop");
  const auto is_three = [](const json& event) { return event["data"]["n"] == 3; };
  EXPECT_EQ(qmp.WaitEvent("A", kLong, is_three)["data"]["n"], 3);
  EXPECT_EQ(qmp.WaitEvent("A")["data"]["n"], 1);
  EXPECT_TRUE(qmp.TakeEvent("B"));
  EXPECT_FALSE(qmp.TakeEvent("B"));
  qmp.WaitEvent("C");
  EXPECT_TRUE(Throws<std::runtime_error>("no QMP line before the deadline",
                                         [&] { qmp.WaitEvent("D", kShort); }));
}

TEST(Qmp, ALateReplyDoesNotAnswerTheNextRequest) {
  std::promise<void> timed_out;
  Server server([&](Server& s) {
    s.Hear();
    timed_out.get_future().wait();
    EXPECT_TRUE(s.Hear().is_null()) << "the connection is still open";
  });
  Qmp qmp(server.path());
  EXPECT_TRUE(Throws<std::runtime_error>("no QMP line before the deadline",
                                         [&] { qmp.Execute("slow", nullptr, kShort); }));
  timed_out.set_value();
  EXPECT_TRUE(Throws<std::runtime_error>("the QMP connection is closed",
                                         [&] { qmp.Execute("query-status"); }));
}

TEST(Qmp, EventsBeforeATimeOutAreKept) {
  Server server([](Server& s) {
    s.Hear();
    s.Say(R"({"event": "STOP"})");
    s.Hear();
  });
  Qmp qmp(server.path());
  EXPECT_TRUE(Throws<std::runtime_error>("no QMP line before the deadline",
                                         [&] { qmp.Execute("slow", nullptr, Milliseconds(500)); }));
  EXPECT_EQ(qmp.WaitEvent("STOP")["event"], "STOP");
  EXPECT_FALSE(qmp.TakeEvent("STOP"));
}

TEST(Qmp, AnEventThatDoesNotComeLeavesTheConnectionOpen) {
  Server server([](Server& s) {
    EXPECT_EQ(s.Hear()["execute"], "cont");
    s.Say(R"({"return": {}})");
  });
  Qmp qmp(server.path());
  EXPECT_TRUE(
      Throws<std::runtime_error>("before the deadline", [&] { qmp.WaitEvent("NEVER", kShort); }));
  qmp.Execute("cont");
}

TEST(Qmp, ALineThatKataCannotReadIsRefused) {
  Server server([](Server& s) {
    s.Hear();
    const std::string shell = R"({"return": ""})";
    std::string fits = shell;
    fits.insert(fits.size() - 2, Qmp::kMaxLine - shell.size(), 'x');
    s.Say(fits);
    s.Hear();
    fits.insert(fits.size() - 2, "x");
    s.Say(fits);
  });
  Qmp qmp(server.path());
  EXPECT_GT(qmp.Execute("largest").get<std::string>().size(), 65000u);
  EXPECT_TRUE(
      Throws<std::runtime_error>("QMP line of 65537 bytes", [&] { qmp.Execute("too-large"); }));
}

TEST(Qmp, AServerThatEndsIsSaid) {
  Server server([](Server& s) {
    s.Hear();
    s.HangUp();
  });
  Qmp qmp(server.path());
  EXPECT_TRUE(
      Throws<std::runtime_error>("QMP connection ended", [&] { qmp.Execute("query-status"); }));
}

TEST(Qmp, ADescriptorGoesWithItsRequest) {
  TempDir dir;
  WriteFile(dir / "file", "");
  Server server([](Server& s) {
    char bytes[256];
    iovec part{bytes, sizeof(bytes)};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    const ssize_t n = recvmsg(s.fd(), &message, MSG_CMSG_CLOEXEC);
    ASSERT_GT(n, 0);
    EXPECT_EQ(json::parse(std::string(bytes, static_cast<size_t>(n)))["arguments"]["fdname"], "f");
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    ASSERT_TRUE(header);
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(header), sizeof(fd));
    UniqueFd received(fd);
    EXPECT_EQ(write(received.get(), "through", 7), 7);
    s.Say(R"({"return": {}})");
  });
  Qmp qmp(server.path());
  UniqueFd file(open((dir / "file").c_str(), O_WRONLY | O_CLOEXEC));
  qmp.ExecuteWithFd("getfd", {{"fdname", "f"}}, file.get());
  EXPECT_EQ(ReadFile(dir / "file"), "through");
}

}  // namespace
}  // namespace stx
