// SPDX-License-Identifier: GPL-2.0-or-later
// upstream runs QEMU's own unit tests, x86_64 qtests and quick iotests on the base and on ours, and
// compares the results, because failures that this machine causes appear in both. scripts/check
// --upstream builds what it needs and calls it.
#include "runner/upstream_log.h"

#include <cstdio>

#include "base/arguments.h"
#include "base/os.h"
#include "base/process.h"
#include "harness/qemu/accel.h"
#include "runner/without_kvm.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

/// In a profile's build folder: the inputs of the results that are there.
constexpr const char* kDone = "upstream.done";

/// What the results depend on, as text: the profile's binary and configuration, the tree that it is
/// built from, and the accelerator.
std::string Inputs(const fs::path& build, const fs::path& tree_stamp, bool kvm) {
  std::string text = (kvm ? "kvm " : "tcg ") + ReadFile(tree_stamp);
  for (const char* name : {"qemu-system-x86_64", "build.ninja"})
    text += std::to_string(fs::file_size(build / name)) + ' ' +
            std::to_string(fs::last_write_time(build / name).time_since_epoch().count()) + '\n';
  return text;
}

/// Runs the tests of one profile, or reads the results of an earlier run with the same inputs. The
/// comparison decides about failures.
UpstreamResults RunTests(const fs::path& build, const fs::path& tree_stamp, bool kvm) {
  const std::string profile = build.filename();
  const fs::path log = build / "upstream.log", results = build / "meson-logs/upstream.json",
                 done = build / kDone;
  const std::string inputs = Inputs(build, tree_stamp, kvm);
  if (fs::exists(done) && fs::exists(results) && ReadFile(done) == inputs) {
    std::fprintf(stderr,
                 "== QEMU's own tests ran on this %s before (rm build/%s/%s repeats them)\n",
                 profile.c_str(), profile.c_str(), kDone);
    return ReadUpstreamLog(results);
  }
  std::fprintf(stderr, "== running QEMU's own tests on %s (log: build/%s/upstream.log)\n",
               profile.c_str(), profile.c_str());
  fs::remove(done);
  fs::remove(results);
  SpawnOptions options;
  options.stdout_file = log;
  Process meson({"meson", "test", "-C", build, "--suite", "unit", "--suite", "qtest-x86_64",
                 "--suite", "block", "--no-suite", "slow", "--no-suite", "thorough",
                 "--timeout-multiplier", "4", "--logbase", "upstream"},
                options);
  if (!meson.Wait(std::chrono::minutes(60)))
    throw std::runtime_error("QEMU's own tests on " + profile + " did not end within an hour");
  if (!fs::exists(results))
    throw std::runtime_error("QEMU's own tests did not run on " + profile + ": " + meson.Stderr() +
                             ReadFile(log));
  WriteFile(done, inputs);
  return ReadUpstreamLog(results);
}

constexpr const char* kText = R"(usage: upstream --build FOLDER

Compares QEMU's own tests on plain and on ours: ends with 0 when what passes on the base passes on ours.

  --build FOLDER    (required) The folder with the profiles plain and host.
)";

int Upstream(const Arguments& arguments) {
  const fs::path build = arguments.Value("--build");
  const Accel accel = DetectAccel();
  if (!accel.kvm) {
    std::fprintf(stderr, "== under TCG: %s\n", accel.reason.c_str());
    HideKvm();
  }
  const fs::path trees = build / "../qemu-7.2";
  const UpstreamResults plain = RunTests(build / "plain", trees / "plain.stamp", accel.kvm),
                        ours = RunTests(build / "host", trees / "tree.stamp", accel.kvm);
  for (const auto& [name, result] : ours)
    if (result != "OK" && plain.contains(name) && plain.at(name) == result)
      std::printf("%s: %s on both\n", name.c_str(), result.c_str());
  int worse = 0;
  for (const UpstreamDifference& d : Compare(plain, ours)) {
    std::printf("%s: plain %s, ours %s\n", d.name.c_str(), d.plain.c_str(), d.ours.c_str());
    worse += d.Worse();
  }
  std::printf("plain: %s\nours: %s\n", Counts(plain).c_str(), Counts(ours).c_str());
  std::printf("%d tests that pass on plain do not pass on ours\n", worse);
  // A difference may be by chance: the next call tries again.
  if (worse > 0) fs::remove(build / "host" / kDone);
  return worse == 0 && !plain.empty() ? 0 : 1;
}

}  // namespace
}  // namespace stx

int main(int argc, char** argv) {
  return stx::RunVerb("upstream", stx::kText, "", argc, argv, stx::Upstream);
}
