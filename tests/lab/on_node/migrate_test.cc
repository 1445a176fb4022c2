// The Standard system: a libvirt guest moves between two nodes while it works.
#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <thread>

#include "harness/threads.h"
#include "lab/on_node/domain.h"
#include "lab/on_node/load.h"

namespace stx {
namespace {

using json = nlohmann::json;

constexpr Milliseconds kMigration{120000};
constexpr int kCeiling = 92;

/// What one move was like.
struct Move {
  int downtime_ms = 0, total_ms = 0, throttle = 0;
};

class Migrate : public testing::Test {
 protected:
  static constexpr unsigned kLoadMib = 24;

  void SetUp() override {
    Shell(std::string("virsh -q -c ") + Domain::kThere +
          " list");  // throws when it does not answer
  }

  /// The command line of one move to where the domain is not.
  static std::string Command(const Domain& domain, const std::string& options) {
    return "migrate --live --p2p " + options + " " + domain.name() + " " + domain.OtherUri() +
           " --migrateuri " + domain.OtherAddress();
  }

  /// Moves it; `during` is called again and again until the move ends.
  static Move Go(Domain& domain, const std::string& options,
                 const std::function<void(const json&)>& during = nullptr) {
    std::atomic<bool> ended = false;
    std::exception_ptr failed;
    Move move;
    std::thread mover([&] {
      try {
        domain.Virsh(Command(domain, options), kMigration);
      } catch (...) {
        failed = std::current_exception();
      }
      ended = true;
    });
    while (!ended) {
      try {
        const json status = domain.Qmp("query-migrate");
        move.throttle = std::max(move.throttle, status.value("cpu-throttle-percentage", 0));
        if (during && status.value("status", "") == "active") during(status);
      } catch (const std::exception&) {
        // The source's QEMU ends with the migration.
      }
      std::this_thread::sleep_for(Milliseconds(100));
    }
    mover.join();
    if (failed) std::rethrow_exception(failed);
    domain.Moved();
    std::istringstream lines(domain.Virsh("domjobinfo --completed --rawstats " + domain.name() +
                                          " 2>/dev/null || true"));
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("downtime: ")) move.downtime_ms = std::stoi(line.substr(10));
      if (line.starts_with("time_elapsed: ")) move.total_ms = std::stoi(line.substr(14));
    }
    return move;
  }

  static void ExpectRunning(Domain& domain) {
    EXPECT_EQ(domain.State(), "running");
    const long before = MemoryLoad::Rounds(domain.Agent());
    for (const Deadline deadline(Milliseconds(30000));
         MemoryLoad::Rounds(domain.Agent()) <= before;)
      ASSERT_FALSE(deadline.Passed()) << "the load does not go on";
  }
  static std::string Text(const Move& move) {
    return "downtime " + std::to_string(move.downtime_ms) + " ms, " +
           stx::Text(Milliseconds(move.total_ms)) + " in all, throttled to " +
           std::to_string(move.throttle) + " %";
  }
};

/// Back and forth `times` each way, under load.
class MigrateUnderLoad : public Migrate {
 protected:
  void BackAndForth(int times, const std::string& options, bool each) {
    Domain domain({});
    MemoryLoad load(domain.Agent(), kLoadMib);
    Move worst;
    for (int i = 0; i < 2 * times; ++i) {
      const char* way = domain.here() ? "node-a to node-b" : "node-b to node-a";
      const Move move = Go(domain, options);
      ExpectRunning(domain);
      EXPECT_LE(move.throttle, kCeiling);
      if (each) Fact(std::string(way) + ": " + Text(move));
      worst.downtime_ms = std::max(worst.downtime_ms, move.downtime_ms);
      worst.total_ms = std::max(worst.total_ms, move.total_ms);
      worst.throttle = std::max(worst.throttle, move.throttle);
    }
    load.StopAndCheck(domain.Agent());
    Fact(std::to_string(2 * times) + " moves, none lost; at worst " + Text(worst));
  }
};

TEST_F(MigrateUnderLoad, TenTimesEachWay) {
  BackAndForth(10, "--auto-converge --bandwidth 32", true);
}

}  // namespace
}  // namespace stx
