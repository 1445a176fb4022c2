// SPDX-License-Identifier: GPL-2.0-or-later
// patches/tcg/tcg-code-written-meanwhile.patch: code that another CPU writes while TCG translates
// it is translated again; the translation of the old code does not stay.

#include <gtest/gtest.h>

#include "base/waiting.h"
#include "harness/guest_code/flat_guest.h"
#include "harness/guest_code/guest_code.h"
#include "harness/host/threads.h"
#include "harness/qemu/qemu.h"

DECLARE_GUEST_CODE(caller);
DECLARE_GUEST_CODE(writer);
DECLARE_GUEST_CODE(function);
DECLARE_GUEST_CODE(neighbour);

namespace stx {
namespace {

// VALUE of the function is aligned, so that it is written at once.
constexpr uint32_t kFunction = 0x104003, kNeighbour = 0x104f00;
constexpr Milliseconds kTimeout{60000};

struct Report {
  uint32_t begun, called, returned, written, done, in_time, stale;
};

TEST(TcgCodeWrittenMeanwhile, TheCodeThatWasWrittenLastIsWhatRuns) {
  if (!HasTcg(QemuBinary())) GTEST_SKIP() << "$QEMU is built without TCG";
  if (UsableCpus() < 2) GTEST_SKIP() << "needs two CPUs that this process may use";
  constexpr uint32_t kRounds = 50;  // without the patch, nearly all go wrong
  FlatGuest guest(2);
  guest.Put(FlatGuest::kFirstCpu, GUEST_CODE(caller));
  guest.Put(FlatGuest::kSecondCpu, GUEST_CODE(writer));
  guest.Put(kFunction, GUEST_CODE(function));
  guest.Put(kNeighbour, GUEST_CODE(neighbour));
  Qemu qemu(guest.Options());
  qemu.qmp();  // throws when it does not start

  Report report{};
  const bool ended = HoldsBefore(Deadline(kTimeout), [&] {
    report = guest.Report<Report>();
    return report.in_time >= kRounds || report.stale;
  });
  EXPECT_TRUE(ended) << "the CPUs do not run side by side, or hang: " << report.done << " rounds, "
                     << report.in_time << " in time";
  EXPECT_EQ(report.stale, 0u) << "in " << report.in_time << " rounds";
}

}  // namespace
}  // namespace stx
