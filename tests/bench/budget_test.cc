// SPDX-License-Identifier: GPL-2.0-or-later
// The budget of budget.txt, of $QEMU, a build of the kata profile; and how it is read and judged.
#include "bench/budget.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <stdexcept>
#include <utility>

#include "base/os.h"
#include "base/throws.h"
#include "bench/life.h"
#include "bench/statistics.h"
#include "harness/qemu/device_types.h"
#include "harness/qemu/qemu.h"

namespace stx {
namespace {

constexpr int kSamples = 3;

TEST(BudgetFile, LinesAreReadAndOthersRefused) {
  TempDir dir;
  const auto file = dir / "budget.txt";
  WriteFile(file, "# comment\n\nfaults 200 10%\ntypes 50 0%\n");
  const auto budgets = ReadBudgets(file);
  EXPECT_EQ(budgets.size(), 2u);
  EXPECT_EQ(budgets.at("faults").value, 200);
  EXPECT_DOUBLE_EQ(budgets.at("faults").margin, 0.1);
  for (const char* wrong : {"faults", "faults x 1%", "faults 1 1", "faults 1 1% 2", "faults 0 1%",
                            "faults 1 -1%", "types 1 1%"}) {
    WriteFile(file, "types 50 0%\n" + std::string(wrong) + "\n");
    EXPECT_TRUE(Throws<std::runtime_error>("budget.txt:2: ", [&] { ReadBudgets(file); })) << wrong;
  }
}

TEST(BudgetFile, MoreThanTheMarginAndMuchLessAreNamed) {
  const Budget budget{1000, 0.05};
  EXPECT_EQ(JudgeBudget("faults", budget, 1050), "");
  EXPECT_EQ(JudgeBudget("faults", budget, 750), "");
  EXPECT_EQ(JudgeBudget("faults", budget, 1051),
            "faults: 1051, and the budget is 1000 with a margin of 5 %. "
            "The start has become dearer.");
  EXPECT_NE(JudgeBudget("faults", budget, 749).find("lower the budget"), std::string::npos);
  EXPECT_EQ(JudgeBudget("types", {60, 0}, 60), "");
  EXPECT_NE(JudgeBudget("types", {60, 0}, 61), "");
}

class BudgetTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"QEMU", "GUEST", "BUDGET"})
      if (EnvOr(name, "").empty()) GTEST_SKIP() << "$" << name << " is not set";
    if (IsSanitized()) GTEST_SKIP() << "the budget is not that of a build with sanitizers";
    if (HasDeviceType("VGA")) GTEST_SKIP() << "the budget is the kata profile's; $QEMU has a VGA";
    budgets_ = ReadBudgets(EnvOr("BUDGET", ""));
    binary_ = {"$QEMU", EnvOr("QEMU", ""), {}};
    lives_.emplace(std::filesystem::canonical(EnvOr("GUEST", "")));
  }
  void Judge(const std::string& name, double measured) {
    RecordProperty(name, std::to_string(measured));
    EXPECT_EQ(JudgeBudget(name, budgets_.at(name), measured), "") << "(tests/bench/budget.txt)";
  }

  std::map<std::string, Budget> budgets_;
  Binary binary_;
  std::optional<Lives> lives_;
};

TEST_F(BudgetTest, Instructions) {
  if (!Lives::HasValgrind()) GTEST_SKIP() << "valgrind is missing";
  Judge("instructions", static_cast<double>(lives_->CountInstructions(binary_, Line::kPod).total));
}

TEST_F(BudgetTest, SystemCalls) {
  std::vector<double> counts;
  for (int i = 0; i < kSamples; ++i) counts.push_back(lives_->CountSyscalls(binary_, Line::kPod));
  Judge("system-calls", Median(counts));
}

TEST_F(BudgetTest, PagesAndLibraries) {
  constexpr double kKiB = 1024;
  std::vector<double> faults, dirty;
  Lives::Life life;
  for (int i = 0; i < kSamples; ++i) {
    life = lives_->Live(binary_, Line::kPod);
    faults.push_back(life.faults);
    dirty.push_back(life.footprint.private_dirty / kKiB);
  }
  Judge("page-faults", Median(faults));
  Judge("private-dirty", Median(dirty));
  Judge("libraries", static_cast<double>(life.footprint.libraries));
}

TEST_F(BudgetTest, Types) {
  QemuOptions options;
  options.args = {"-machine", "none", "-nodefaults", "-nographic"};
  Qemu qemu(std::move(options));
  Judge("types", static_cast<double>(qemu.qmp().Execute("qom-list-types").size()));
}

}  // namespace
}  // namespace stx
