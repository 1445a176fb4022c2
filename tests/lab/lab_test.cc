// SPDX-License-Identifier: GPL-2.0-or-later
// The quick scenarios on our builds, which scripts/check runs. $QEMU is build/host's binary: the
// node runs on it, and so do the node's guests.
#include "lab/lab.h"

#include <gtest/gtest.h>

namespace stx {
namespace {

namespace fs = std::filesystem;

class QuickLab : public testing::TestWithParam<Scenario> {
 protected:
  static void SetUpTestSuite() {
    const fs::path build = fs::path(EnvOr("GUEST", "")).parent_path();
    if (EnvOr("QEMU", "") != (build / "host/qemu-system-x86_64").string())
      why_not_ = "the lab runs on our own builds: scripts/lab";
    else if (!fs::exists(build / "lab/node-debian.img"))
      why_not_ = "no build/lab/node-debian.img, which scripts/step/node makes, as root";
    else
      lab_ = std::make_unique<Lab>(LabOptions{.build = build, .qemu = NodeQemu::kBuild});
  }
  static void TearDownTestSuite() { lab_.reset(); }

  static inline std::string why_not_;
  static inline std::unique_ptr<Lab> lab_;
};

TEST_P(QuickLab, Passes) {
  if (!why_not_.empty()) GTEST_SKIP() << why_not_;
  const ScenarioOutcome outcome = lab_->Run(GetParam());
  for (const std::string& fact : outcome.facts) std::printf("%s\n", fact.c_str());
  EXPECT_TRUE(outcome.passed) << outcome.text;
  if (!outcome.skipped.empty()) GTEST_SKIP() << outcome.skipped.front();
}

std::vector<Scenario> Quick() {
  std::vector<Scenario> quick;
  for (const Scenario& scenario : AllScenarios())
    if (scenario.quick) quick.push_back(scenario);
  return quick;
}

INSTANTIATE_TEST_SUITE_P(Scenario, QuickLab, testing::ValuesIn(Quick()), [](const auto& info) {
  std::string name = info.param.name;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace stx
