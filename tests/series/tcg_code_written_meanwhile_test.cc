// SPDX-License-Identifier: GPL-2.0-or-later
// patches/tcg/tcg-code-written-meanwhile.patch: code that another CPU writes while TCG translates
// it is translated again; the translation of the old code is not kept.

#include <gtest/gtest.h>

#include <cstring>
#include <ostream>
#include <string>
#include <thread>

#include "harness/guest_code/flat_guest.h"
#include "harness/guest_code/guest_code.h"
#include "harness/host/threads.h"
#include "harness/qemu/qemu.h"

DECLARE_GUEST_CODE(neighbour);
DECLARE_GUEST_CODE(caller);
DECLARE_GUEST_CODE(writer);
DECLARE_GUEST_CODE(function);
DECLARE_GUEST_CODE(busy_caller);
DECLARE_GUEST_CODE(busy_writer);

namespace stx {
namespace {

// VALUE, after the function's first byte, is aligned, so that it is written atomically.
constexpr uint32_t kFunction = 0x104003, kNeighbour = 0x104f00;
constexpr Milliseconds kTimeout{60000};

struct Report {
  uint32_t begun, called, returned, written, done, in_time, stale;
};

/// `code` with its references to `from` changed to `to`.
std::string Relocated(std::string_view code, uint32_t from, uint32_t to) {
  std::string relocated(code);
  const std::string old(reinterpret_cast<const char*>(&from), sizeof(from));
  for (size_t at = relocated.find(old); at != std::string::npos; at = relocated.find(old, at + 4))
    std::memcpy(&relocated[at], &to, sizeof(to));
  return relocated;
}

struct Place {
  const char* name;
  uint32_t function, neighbour;
  uint32_t rounds;  ///< in which the write came in time
};

void PrintTo(const Place& place, std::ostream* out) { *out << place.name; }

class TcgCodeWrittenMeanwhile : public testing::TestWithParam<Place> {
 protected:
  void SetUp() override {
    if (!HasTcg(QemuBinary())) GTEST_SKIP() << "$QEMU is built without TCG";
    if (CountUsableCpus() < 2) GTEST_SKIP() << "needs two CPUs that this process may use";
  }
};

TEST_P(TcgCodeWrittenMeanwhile, TheCodeThatWasWrittenLastIsWhatRuns) {
  const Place& place = GetParam();
  const std::string caller = Relocated(Relocated(GUEST_CODE(caller), kFunction, place.function),
                                       kNeighbour, place.neighbour);
  const std::string writer = Relocated(GUEST_CODE(writer), kFunction + 1, place.function + 1);
  FlatGuest guest(2);
  guest.Put(FlatGuest::kFirstCpu, std::string_view(caller));
  guest.Put(FlatGuest::kSecondCpu, std::string_view(writer));
  guest.Put(place.function, GUEST_CODE(function));
  guest.Put(place.neighbour, GUEST_CODE(neighbour));
  Qemu qemu(guest.MakeOptions());
  qemu.qmp();  // throws when it does not start

  Report report{};
  for (Deadline deadline(kTimeout); report.in_time < place.rounds;) {
    ASSERT_FALSE(deadline.Passed()) << "the CPUs do not run side by side, or hang: " << report.done
                                    << " rounds, " << report.in_time << " in time";
    std::this_thread::sleep_for(Milliseconds(20));
    report = guest.ReadReport<Report>();
    ASSERT_EQ(report.stale, 0u) << "in " << report.in_time << " rounds";
  }
}

INSTANTIATE_TEST_SUITE_P(
    , TcgCodeWrittenMeanwhile,
    testing::Values(Place{"OnAPageWithOtherTranslations", kFunction, kNeighbour, 50},
                    Place{"OnAPageWithoutTranslations", kFunction, 0x106f00, 50},
                    // The first instruction's VALUE is on the second page.
                    Place{"InABlockOverTwoPages", 0x104fff, 0x106f00, 20}),
    [](const auto& info) { return info.param.name; });

// The translator gives up on such a page, and must nevertheless make progress.
TEST_F(TcgCodeWrittenMeanwhile, CodeThatIsAlwaysWrittenRuns) {
  FlatGuest guest(2);
  guest.Put(FlatGuest::kFirstCpu, GUEST_CODE(busy_caller));
  guest.Put(FlatGuest::kSecondCpu, GUEST_CODE(busy_writer));
  guest.Put(kFunction, GUEST_CODE(function));
  Qemu qemu(guest.MakeOptions());
  qemu.qmp();
  Report report{};
  for (Deadline deadline(kTimeout); report.done < 10;) {
    ASSERT_FALSE(deadline.Passed()) << "the function returned " << report.done << " times";
    std::this_thread::sleep_for(Milliseconds(20));
    report = guest.ReadReport<Report>();
  }
  EXPECT_EQ(report.stale, 0u);
}

}  // namespace
}  // namespace stx
