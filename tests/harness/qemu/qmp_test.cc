// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/qemu/qmp.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/throws.h"

namespace stx {
namespace {

/// A monitor whose lines the test writes.
class FakeMonitor : public testing::Test {
 protected:
  FakeMonitor() {
    std::thread greeting([&] {
      server = Accept(listener.get(), Deadline(Milliseconds(5000)));
      Say("{\"QMP\": {\"version\": {}}}\n{\"return\": {}}\n");
    });
    qmp.emplace(dir / "qmp");
    greeting.join();
  }
  void Say(const std::string& text) { WriteAll(server.get(), text); }

  TempDir dir;
  UniqueFd listener = ListenUnix(dir / "qmp"), server;
  std::optional<Qmp> qmp;
};

TEST_F(FakeMonitor, ALateReplyDoesNotAnswerTheNextRequest) {
  EXPECT_TRUE(Throws<std::runtime_error>("no QMP line before the deadline",
                                         [&] { qmp->Execute("slow", nullptr, Milliseconds(10)); }));
  EXPECT_TRUE(Throws<std::runtime_error>("cannot send query-status: the QMP connection is closed",
                                         [&] { qmp->Execute("query-status"); }));
}

TEST_F(FakeMonitor, EventsBeforeATimeOutAreKept) {
  Say("{\"event\": \"STOP\"}\n");
  EXPECT_TRUE(Throws<std::runtime_error>("no QMP line before the deadline", [&] {
    qmp->Execute("slow", nullptr, Milliseconds(200));
  }));
  EXPECT_EQ(qmp->WaitEvent("STOP")["event"], "STOP");
  EXPECT_FALSE(qmp->TakeEvent("STOP"));
}

TEST_F(FakeMonitor, AnErrorReplyClosesNothing) {
  Say("{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}}\n{\"return\": 3}\n");
  EXPECT_TRUE(Throws<QmpError>("no", [&] { qmp->Execute("wrong"); }));
  EXPECT_EQ(qmp->Execute("right"), 3);
}

}  // namespace
}  // namespace stx
