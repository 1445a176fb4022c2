// SPDX-License-Identifier: GPL-2.0-or-later
// patches/wro/throttle-ceiling.patch: auto-converge throttles a guest to at most 92 percent. What
// can be set, what is read back and what takes effect are the same.

#include <gtest/gtest.h>

#include "base/waiting.h"
#include "harness/guest_code/dirtying_guest.h"
#include "harness/qemu/migration.h"
#include "harness/qemu/qemu.h"

namespace stx {
namespace {

constexpr int kCeiling = 92;
constexpr uint32_t kMiB = 1 << 20;

QemuOptions Idle(std::vector<std::string> more = {}) {
  QemuOptions options;
  options.args = {"-machine", "none", "-nodefaults", "-display", "none"};
  options.args.insert(options.args.end(), more.begin(), more.end());
  return options;
}

int Parameter(Qmp& qmp, const char* name) { return qmp.Execute("query-migrate-parameters")[name]; }

TEST(ThrottleCeiling, ANonConvergingGuestIsThrottledToTheCeilingAndNotAbove) {
  DirtyingGuest guest(17 * kMiB);
  QemuOptions source_options, target_options;
  source_options.args = target_options.args = guest.args();
  target_options.args.insert(target_options.args.end(), {"-incoming", "defer"});
  Qemu source(source_options), target(target_options);
  TempDir dir("throttle");
  json uri{{"uri", "unix:" + (dir / "sock").string()}};
  target.qmp().Execute("migrate-incoming", uri);
  Qmp& qmp = source.qmp();
  DirtyingGuest::WaitRunning(qmp);
  SetMigrationCapability(qmp, "auto-converge");
  // A round takes about a second, and every second round throttles: to 90, then to the ceiling.
  qmp.Execute("migrate-set-parameters", {{"max-bandwidth", 14 * kMiB},
                                         {"downtime-limit", 1},
                                         {"throttle-trigger-threshold", 1},
                                         {"cpu-throttle-initial", 90},
                                         {"cpu-throttle-increment", 50}});
  qmp.Execute("migrate", uri);

  int most = 0, rounds_at_most = 0;
  bool began_below = false;
  int round = 0;
  WaitUntil("four rounds above the old ceiling", Deadline(Milliseconds(120000)), [&] {
    json info = qmp.Execute("query-migrate");
    if (info["status"] != "active" && info["status"] != "setup")
      throw std::runtime_error("the migration ended: " + info.dump());
    int percentage = info.value("cpu-throttle-percentage", 0);
    most = std::max(most, percentage);
    began_below |= percentage == 90;
    int now = info.contains("ram") ? info["ram"]["dirty-sync-count"].get<int>() : 0;
    if (percentage > 90 && now != round) ++rounds_at_most;
    round = now;
    return rounds_at_most >= 4;
  });
  EXPECT_TRUE(began_below);
  EXPECT_EQ(most, kCeiling);
  qmp.Execute("migrate_cancel");
  WaitMigrationEnd(qmp);
}

TEST(ThrottleCeiling, TheDefaultIsTheCeiling) {
  Qemu qemu(Idle());
  EXPECT_EQ(Parameter(qemu.qmp(), "max-cpu-throttle"), kCeiling);
}

TEST(ThrottleCeiling, MoreIsAnErrorOverQmpAndChangesNothing) {
  Qemu qemu(Idle());
  Qmp& qmp = qemu.qmp();
  for (int value : {93, 99, 100}) {
    EXPECT_THROW(qmp.Execute("migrate-set-parameters", {{"max-cpu-throttle", value}}), QmpError)
        << value;
    EXPECT_THROW(qmp.Execute("migrate-set-parameters", {{"cpu-throttle-initial", value}}), QmpError)
        << value;
  }
  EXPECT_EQ(Parameter(qmp, "max-cpu-throttle"), kCeiling);
  EXPECT_EQ(Parameter(qmp, "cpu-throttle-initial"), 20);
  qmp.Execute("migrate-set-parameters", {{"max-cpu-throttle", 50}});
  EXPECT_EQ(Parameter(qmp, "max-cpu-throttle"), 50);
  qmp.Execute("migrate-set-parameters", {{"max-cpu-throttle", kCeiling}});
  EXPECT_EQ(Parameter(qmp, "max-cpu-throttle"), kCeiling);
}

TEST(ThrottleCeiling, TheInitialValueMayReachTheMaximumAndNotPassIt) {
  Qemu qemu(Idle());
  Qmp& qmp = qemu.qmp();
  qmp.Execute("migrate-set-parameters", {{"cpu-throttle-initial", kCeiling}});
  EXPECT_EQ(Parameter(qmp, "cpu-throttle-initial"), kCeiling);
  EXPECT_THROW(qmp.Execute("migrate-set-parameters", {{"max-cpu-throttle", 91}}), QmpError);
  qmp.Execute("migrate-set-parameters", {{"cpu-throttle-initial", 30}, {"max-cpu-throttle", 40}});
  EXPECT_THROW(qmp.Execute("migrate-set-parameters", {{"cpu-throttle-initial", 41}}), QmpError);
  EXPECT_EQ(Parameter(qmp, "cpu-throttle-initial"), 30);
}

TEST(ThrottleCeiling, MoreIsAnErrorOverHmp) {
  Qemu qemu(Idle());
  EXPECT_NE(qemu.qmp().Hmp("migrate_set_parameter max-cpu-throttle 93"), "");
  EXPECT_EQ(Parameter(qemu.qmp(), "max-cpu-throttle"), kCeiling);
  EXPECT_EQ(qemu.qmp().Hmp("migrate_set_parameter max-cpu-throttle 91"), "");
  EXPECT_EQ(Parameter(qemu.qmp(), "max-cpu-throttle"), 91);
}

TEST(ThrottleCeiling, MoreOnTheCommandLineStopsTheStart) {
  RunResult result = RunQemu({"-machine", "none", "-nodefaults", "-display", "none", "-global",
                              "migration.max-cpu-throttle=93"},
                             Milliseconds(5000));
  EXPECT_EQ(result.status.code, 1) << result.err;
  EXPECT_NE(result.err.find("92"), std::string::npos) << result.err;
  Qemu qemu(Idle({"-global", "migration.max-cpu-throttle=92"}));
  EXPECT_EQ(Parameter(qemu.qmp(), "max-cpu-throttle"), kCeiling);
}

}  // namespace
}  // namespace stx
