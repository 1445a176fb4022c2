// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/waiting.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "base/throws.h"

namespace stx {
namespace {

constexpr Milliseconds kLong{20000};

TEST(WaitUntil, AsksUntilItIsSo) {
  int asked = 0;
  WaitUntil("the third time", Deadline(kLong), [&] { return ++asked == 3; });
  EXPECT_EQ(asked, 3);
}

TEST(WaitUntil, SaysWhatDidNotComeAndAsksAfterItsDeadlineToo) {
  int asked = 0;
  EXPECT_TRUE(Throws<std::runtime_error>("rain: not within 0 s", [&] {
    WaitUntil("rain", Deadline(Milliseconds(0)), [&] { return ++asked > 1000; });
  }));
  EXPECT_EQ(asked, 1);
  EXPECT_TRUE(Throws<std::runtime_error>("rain: not within 20 ms", [&] {
    WaitUntil("rain", Deadline(Milliseconds(20)), [] { return false; });
  }));
  EXPECT_FALSE(HoldsBefore(Deadline(Milliseconds(5)), [] { return false; }));
  EXPECT_TRUE(HoldsBefore(Deadline(Milliseconds(0)), [] { return true; }));
}

TEST(WaitUntil, AnExceptionEndsTheWait) {
  EXPECT_TRUE(Throws<std::logic_error>("gone", [] {
    WaitUntil("x", Deadline(kLong), []() -> bool { throw std::logic_error("gone"); });
  }));
}

}  // namespace
}  // namespace stx
