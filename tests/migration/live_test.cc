// SPDX-License-Identifier: GPL-2.0-or-later
// A working guest moves between two QEMUs while its CPU dirties memory and its drivers use their
// devices. Over a Unix socket and TCP, on one channel and on several, throttled, and with a target
// that runs before its memory has arrived.

#include <gtest/gtest.h>

#include "base/waiting.h"
#include "harness/qemu/contract.h"
#include "harness/qemu/migration.h"
#include "migration/guest.h"

namespace stx {
namespace {

constexpr char kMachine[] = "q35";

enum class Mode { kPrecopy, kMultifd, kAutoConverge, kPostcopy, kPostcopyRunsAtOnce };

struct Way {
  const char* name;
  bool tcp;
  Mode mode;
};

void PrintTo(const Way& way, std::ostream* out) { *out << way.name; }

void SetParameters(MigrationMachine& machine, const json& parameters) {
  machine.qmp().Execute("migrate-set-parameters", parameters);
}

/// The URI at which the target listens, for migrate.
std::string Listen(MigrationMachine& target, const TempDir& dir, bool tcp) {
  if (!tcp) {
    const std::string uri = "unix:" + (dir / "migration").string();
    target.qmp().Execute("migrate-incoming", {{"uri", uri}});
    return uri;
  }
  // With port 0 the kernel chooses the port, and query-migrate reports it.
  target.qmp().Execute("migrate-incoming", {{"uri", "tcp:127.0.0.1:0"}});
  const json address = target.qmp().Execute("query-migrate").at("socket-address").at(0);
  return "tcp:127.0.0.1:" + address["port"].get<std::string>();
}

class Live : public testing::TestWithParam<Way> {
 protected:
  void SetUp() override {
    Covers({"4 live-migration"});
    WriteFile(dir / "disk", std::string(1 << 20, '\0'));
  }
  MachineRole Source() const { return {.disk = dir / "disk"}; }
  MachineRole Target() const { return {.target = true, .disk = dir / "disk"}; }

  /// Waits until query-migrate on the source satisfies `done`; returns that reply.
  json Until(MigrationMachine& machine, const std::function<bool(const json&)>& done) {
    json info;
    const bool happened = HoldsBefore(Deadline(Milliseconds(25000)), [&] {
      return done(info = machine.qmp().Execute("query-migrate"));
    });
    if (!happened) throw std::runtime_error("it did not happen: " + info.dump());
    return info;
  }

  void ExpectSame(MigrationMachine& source, MigrationMachine& target) {
    const std::string ours = source.Memory(), theirs = target.Memory();
    std::string pages;
    for (size_t at = 0; at < ours.size() && pages.size() < 200; at += 4096)
      if (ours.compare(at, 4096, theirs, at, 4096) != 0) pages += " " + std::to_string(at >> 12);
    EXPECT_EQ(pages, "") << "these pages of the guest's memory differ";
    EXPECT_EQ(json::diff(source.DeviceState(), target.DeviceState()).dump(), "[]");
    EXPECT_EQ(target.Counter(), source.Counter());
  }

  TempDir dir;
};

TEST_P(Live, TheGuestGoesOnWithItsMemoryAndDevices) {
  const auto [name, tcp, mode] = GetParam();
  const bool postcopy = mode == Mode::kPostcopy || mode == Mode::kPostcopyRunsAtOnce;
  // The base's libvhost-user cannot wait for pages that have not arrived yet.
  const bool vhost = mode != Mode::kPostcopyRunsAtOnce;
  MigrationMachine source(QemuBinary(), kMachine, nullptr, {.vhost = vhost, .disk = dir / "disk"}),
      target(QemuBinary(), kMachine, nullptr,
             {.target = true, .vhost = vhost, .disk = dir / "disk"});
  Guest guest(source);
  guest.Talk();
  for (MigrationMachine* machine : {&source, &target}) {
    if (mode == Mode::kMultifd) {
      SetMigrationCapability(machine->qmp(), "multifd");
      SetParameters(*machine, {{"multifd-channels", 4}});
    }
    if (postcopy) {
      try {
        SetMigrationCapability(machine->qmp(), "postcopy-ram");
      } catch (const QmpError& error) {
        GTEST_SKIP() << "no post-copy here: " << error.desc();
      }
    }
  }
  if (mode == Mode::kAutoConverge) {
    SetMigrationCapability(source.qmp(), "auto-converge");
    SetParameters(source, {{"max-bandwidth", 10 << 20},
                           {"downtime-limit", 50},
                           {"cpu-throttle-initial", 90},
                           {"cpu-throttle-increment", 2}});
  }
  // Slow, so that most pages are still at the source when the target takes over.
  if (postcopy)
    SetParameters(source, {{"max-bandwidth", 2 << 20}, {"max-postcopy-bandwidth", 4 << 20}});
  source.qmp().Execute("migrate", {{"uri", Listen(target, dir, tcp)}});
  int throttle = 0;
  if (postcopy) {
    Until(source, [](const json& info) {
      return info.value("status", "") == "active" && info["ram"]["transferred"] > (1 << 20);
    });
    guest.Talk();  // while pages are transferred
    source.qmp().Execute("migrate-start-postcopy");
    Until(source, [](const json& info) {
      const std::string status = info.value("status", "");
      return status == "postcopy-active" || status == "completed";
    });
  }
  if (mode == Mode::kPostcopyRunsAtOnce) {
    // Its devices have been loaded, but most of its memory has not.
    Until(target, [](const json& info) {
      const std::string status = info.value("status", "");
      return status == "postcopy-active" || status == "completed";
    });
    guest.GoOn(target);
    const uint32_t counted = target.Counter();
    guest.Talk();
    const json end = Until(source, [](const json& info) {
      return info.value("status", "") == "completed" || info.value("status", "") == "failed";
    });
    EXPECT_EQ(end["status"], "completed");
    EXPECT_GT(end["ram"]["postcopy-requests"], 0) << "the target asked for no page";
    stx::Until([&] { return target.Counter() > counted; });
    guest.Talk();
    return;
  }
  const json end = Until(source, [&](const json& info) {
    throttle = std::max(throttle, info.value("cpu-throttle-percentage", 0));
    const std::string status = info.value("status", "");
    return status == "completed" || status == "failed";
  });
  ASSERT_EQ(end["status"], "completed") << end.dump();
  EXPECT_EQ(WaitMigrationEnd(target.qmp())["status"], "completed");
  EXPECT_EQ(throttle > 0, mode == Mode::kAutoConverge) << throttle;
  if (mode == Mode::kMultifd) {
    EXPECT_GT(end["ram"]["multifd-bytes"], 1 << 20);
  }
  ExpectSame(source, target);
  const uint32_t counted = target.Counter();
  guest.GoOn(target);
  guest.Talk();
  EXPECT_GT(target.Counter(), counted) << "the CPU does not continue";
}

INSTANTIATE_TEST_SUITE_P(
    Ways, Live,
    testing::Values(
        Way{"UnixPrecopy", false, Mode::kPrecopy}, Way{"TcpPrecopy", true, Mode::kPrecopy},
        Way{"UnixMultifd", false, Mode::kMultifd}, Way{"TcpMultifd", true, Mode::kMultifd},
        Way{"UnixAutoConverge", false, Mode::kAutoConverge},
        Way{"TcpAutoConverge", true, Mode::kAutoConverge},
        Way{"UnixPostcopy", false, Mode::kPostcopy}, Way{"TcpPostcopy", true, Mode::kPostcopy},
        Way{"UnixPostcopyRunsAtOnce", false, Mode::kPostcopyRunsAtOnce},
        Way{"TcpPostcopyRunsAtOnce", true, Mode::kPostcopyRunsAtOnce}),
    [](const auto& info) { return std::string(info.param.name); });

class LiveFails : public Live {
 protected:
  /// Slow enough to be interrupted in the middle.
  void StartSlowly(MigrationMachine& source, MigrationMachine& target) {
    SetParameters(source, {{"max-bandwidth", 1 << 20}});
    source.qmp().Execute("migrate", {{"uri", Listen(target, dir, GetParam().tcp)}});
    Until(source, [](const json& info) {
      return info.value("status", "") == "active" && info["ram"]["transferred"] > (256 << 10);
    });
  }
  void ExpectGoesOn(MigrationMachine& source, Guest& guest) {
    EXPECT_EQ(source.qmp().Execute("query-status")["status"], "running");
    const uint32_t counted = source.Counter();
    guest.Talk();
    stx::Until([&] { return source.Counter() > counted; });
  }
};

TEST_P(LiveFails, ACancelledMigrationLeavesTheSourceAtWork) {
  MigrationMachine source(QemuBinary(), kMachine, nullptr, Source()),
      target(QemuBinary(), kMachine, nullptr, Target());
  Guest guest(source);
  StartSlowly(source, target);
  guest.Talk();
  source.qmp().Execute("migrate_cancel");
  EXPECT_EQ(WaitMigrationEnd(source.qmp())["status"], "cancelled");
  ExpectGoesOn(source, guest);
}

TEST_P(LiveFails, ATargetThatDiesLeavesTheSourceAtWorkAndASecondTargetTakesIt) {
  MigrationMachine source(QemuBinary(), kMachine, nullptr, Source());
  Guest guest(source);
  {
    MigrationMachine target(QemuBinary(), kMachine, nullptr, Target());
    StartSlowly(source, target);
    target.qemu().process().Kill();
    EXPECT_EQ(WaitMigrationEnd(source.qmp())["status"], "failed");
  }
  ExpectGoesOn(source, guest);
  SetParameters(source, {{"max-bandwidth", 1 << 30}});
  MigrationMachine second(QemuBinary(), kMachine, nullptr, Target());
  std::filesystem::remove(dir / "migration");
  source.qmp().Execute("migrate", {{"uri", Listen(second, dir, GetParam().tcp)}});
  ASSERT_EQ(WaitMigrationEnd(source.qmp())["status"], "completed");
  EXPECT_EQ(WaitMigrationEnd(second.qmp())["status"], "completed");
  ExpectSame(source, second);
  guest.GoOn(second);
  guest.Talk();
}

INSTANTIATE_TEST_SUITE_P(Ways, LiveFails,
                         testing::Values(Way{"Unix", false, Mode::kPrecopy},
                                         Way{"Tcp", true, Mode::kPrecopy}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace stx
