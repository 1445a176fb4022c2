// SPDX-License-Identifier: GPL-2.0-or-later
#include "runner/gtest_run.h"

#include <gtest/gtest.h>

namespace stx {
namespace {

constexpr const char* kOutput = R"([==========] Running 4 tests from 1 test suite.
[ RUN      ] A.Passes
some line
[       OK ] A.Passes (3 ms)
[ RUN      ] A.Skips
[contract] 1.2 sgx
[contract] 4 devices
../a_test.cc:9: Skipped
no /dev/x here
[  SKIPPED ] A.Skips (0 ms)
[ RUN      ] A.Fails/0
../a_test.cc:12: Failure
Value of: f()
  Actual: false
[  FAILED  ] A.Fails/0, where GetParam() = 1 (1 ms)
[ RUN      ] A.Crashes
)";

TEST(ParseGtest, EachCaseHasItsVerdictAndText) {
  auto cases = ParseGtest(kOutput);
  ASSERT_EQ(cases.size(), 4u);
  EXPECT_EQ(cases[0].name, "A.Passes");
  EXPECT_EQ(cases[0].verdict, Verdict::kPassed);
  EXPECT_EQ(cases[1].verdict, Verdict::kSkipped);
  EXPECT_EQ(cases[1].text, "no /dev/x here\n");
  EXPECT_EQ(cases[1].rows, (std::vector<std::string>{"1.2 sgx", "4 devices"}));
  EXPECT_EQ(cases[2].name, "A.Fails/0");
  EXPECT_EQ(cases[2].verdict, Verdict::kFailed);
  EXPECT_EQ(cases[3].verdict, Verdict::kFailed) << "a case whose program died has failed";
  EXPECT_NE(cases[3].text.find("ended in this case"), std::string::npos);
}

TEST(ParseGtest, FirstFailureIsOneLineWithoutThePlace) {
  GtestResult result;
  result.cases = ParseGtest(kOutput);
  EXPECT_EQ(result.FirstFailure(), "A.Fails/0: Value of: f()   Actual: false");
}

TEST(RunGtest, AProgramWithoutCasesIsBroken) {
  GtestResult result = RunGtest("/bin/true", {}, Milliseconds(5000));
  EXPECT_TRUE(result.Failed());
  EXPECT_NE(result.broken.find("no case"), std::string::npos);
}

TEST(RunGtest, AProgramThatDoesNotEndIsBroken) {
  TempDir dir;
  WriteFile(dir / "program", "#!/bin/sh\nexec sleep 60\n");
  std::filesystem::permissions(dir / "program", std::filesystem::perms::owner_all);
  GtestResult result = RunGtest(dir / "program", {}, Milliseconds(50));
  EXPECT_NE(result.broken.find("no end within"), std::string::npos);
}

}  // namespace
}  // namespace stx
