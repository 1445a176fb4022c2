// SPDX-License-Identifier: GPL-2.0-or-later
// The table of scenarios, and a node that does not come up. $SCENARIOS is the program of the nodes.
#include "lab/scenario.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/process.h"
#include "lab/lab.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

TEST(Scenarios, EveryCaseBelongsToOne) {
  const RunResult listed =
      stx::Run({EnvOr("SCENARIOS", ""), "--gtest_list_tests"}, Milliseconds(20000));
  ASSERT_TRUE(listed.status.Success()) << listed.err;
  EXPECT_EQ(Mismatches(AllScenarios(), listed.out), std::vector<std::string>{});
}

TEST(Scenarios, WhatDoesNotFitIsNamed) {
  const auto scenarios = ParseScenarios("a A.*: a\nb A.Two:B.*: b\nc C.*: c\n");
  const auto wrong = Mismatches(
      scenarios, "Running main()\nA.\n  One\n  Two\nAll/D.\n  One/0  # GetParam() = 1\n");
  ASSERT_EQ(wrong.size(), 3u);
  EXPECT_EQ(wrong[0], "A.Two: scenarios a and b name it");
  EXPECT_EQ(wrong[1], "All/D.One/0: no scenario of tests/lab/scenarios.txt names it");
  EXPECT_EQ(wrong[2], "scenario c: no case is C.*");
}

TEST(Scenarios, ALineThatIsNoneIsNamed) {
  for (const char* line : {"a A.*", "a: b", "a A.* fast: b"}) {
    try {
      ParseScenarios("# comment\n\n" + std::string(line) + "\n");
      FAIL() << line << " was read";
    } catch (const std::runtime_error& error) {
      EXPECT_TRUE(std::string(error.what()).starts_with("scenarios.txt:3: ")) << error.what();
    }
  }
}

TEST(Scenarios, OneOfKubernetesNeedsKataToo) {
  const auto scenarios = ParseScenarios("a A.* kubernetes: a\nb B.* kata: b\n");
  EXPECT_TRUE(scenarios[0].kata && scenarios[0].kubernetes);
  EXPECT_TRUE(scenarios[1].kata && !scenarios[1].kubernetes);
}

TEST(Scenarios, OneForBothCgroupVersionsRunsAgainAtTheEnd) {
  const auto runs = WithCgroupV1(ParseScenarios("a A.* cgroups: a\nb B.*: b\n"));
  ASSERT_EQ(runs.size(), 3u);
  EXPECT_EQ(runs[2].name, "a-v1");
  EXPECT_EQ(runs[2].cases, "A.*");
  for (size_t i = 0; i < runs.size(); ++i) EXPECT_EQ(runs[i].cgroup_v1, i == 2);
}

/// A build folder whose QEMU exits at once and records each start.
class BrokenBuild {
 public:
  BrokenBuild() {
    for (const char* file : {"build/tests/tests/guest/guestd", "build/tests/tests/lab/scenarios",
                             "build/guest/vmlinuz", "build/guest/vmlinux", "build/guest/initrd",
                             "build/guest/root.img", "build/guest/.made",
                             "cache/guest/busybox/bin/busybox", "build/kata/qemu-system-x86_64"}) {
      fs::create_directories((dir_ / file).parent_path());
      WriteFile(dir_ / file, "");
    }
    const fs::path qemu = build() / "host/qemu-system-x86_64";
    fs::create_directories(qemu.parent_path());
    WriteFile(qemu, "#!/bin/sh\necho start >>" + (dir_ / "starts").string() +
                        "\necho this machine is broken >&2\nexit 1\n");
    fs::permissions(qemu, fs::perms(0755));
  }
  fs::path build() const { return dir_ / "build"; }
  size_t Starts() const { return ReadFile(dir_ / "starts").size() / 6; }

 private:
  TempDir dir_{"broken-build"};
};

TEST(LabNodes, OneThatDoesNotComeUpIsReportedAndTheNextScenarioGetsANewOne) {
  BrokenBuild broken;
  Lab lab({.build = broken.build(), .qemu = NodeQemu::kBuild});
  size_t starts = 0;
  for (const bool pair : {false, false, true}) {
    const ScenarioOutcome outcome = lab.Run({.name = "x", .shows = "", .cases = "*", .pair = pair});
    EXPECT_FALSE(outcome.passed);
    EXPECT_TRUE(outcome.inconclusive);
    EXPECT_NE(outcome.text.find("this machine is broken"), std::string::npos) << outcome.text;
    EXPECT_GT(broken.Starts(), starts) << "no new node was started";
    starts = broken.Starts();
  }
}

}  // namespace
}  // namespace stx
