// SPDX-License-Identifier: GPL-2.0-or-later
#include "runner/proof.h"

#include <gtest/gtest.h>

#include "base/arguments.h"

namespace stx {
namespace {

GtestResult Result(std::vector<CaseResult> cases) {
  GtestResult result;
  result.cases = std::move(cases);
  return result;
}
CaseResult Case(const std::string& name, Verdict verdict, const std::string& text = "") {
  return {.name = name, .verdict = verdict, .text = text};
}
const CaseResult kFailsForBehaviour =
    Case("A.One", Verdict::kFailed, "x_test.cc:1: Failure\nthe guest saw 3\n");
const CaseResult kPasses = Case("A.One", Verdict::kPassed),
                 kOther = Case("A.Two", Verdict::kPassed);
const TestClaim kWhole{"x_test.cc", {}};

void ExpectNoProof(const Proof& proof, const std::string& why) {
  EXPECT_NE(proof.why_not.find(why), std::string::npos) << proof.why_not;
}

TEST(Judge, NamesTheCasesThatMustFail) {
  const Proof proof =
      Judge(kWhole, Result({kFailsForBehaviour, kOther}), Result({kPasses, kOther}));
  EXPECT_EQ(proof.why_not, "");
  ASSERT_EQ(proof.must_fail.size(), 1u);
  EXPECT_EQ(proof.must_fail[0].first, "A.One");
  EXPECT_EQ(proof.must_fail[0].second, "the guest saw 3");
}

TEST(Judge, ATestThatPassesOnBothProvesNothing) {
  ExpectNoProof(Judge(kWhole, Result({kPasses}), Result({kPasses})), "no case fails on the base");
}

TEST(Judge, ABrokenRunOnTheBaseIsNoProof) {
  GtestResult broken = Result({kFailsForBehaviour});
  broken.broken = "no end within 5 s";
  ExpectNoProof(Judge(kWhole, broken, Result({kPasses})), "no end within 5 s");
  CaseResult crashed = kFailsForBehaviour;
  crashed.crashed = true;
  ExpectNoProof(Judge(kWhole, Result({crashed}), Result({kPasses})), "crashes in A.One");
}

TEST(Judge, AMissingOptionIsNoBehaviour) {
  const CaseResult lacks = Case("A.One", Verdict::kFailed, "Property 'x.rx-filter' not found");
  ExpectNoProof(Judge(kWhole, Result({lacks}), Result({kPasses})), "only for want of an option");
  const CaseResult both = Case("A.One", Verdict::kFailed,
                               "x_test.cc:1: Failure\nProperty 'x.rx-filter' not found\n"
                               "x_test.cc:2: Failure\nthe frame is gone\n");
  const Proof proof = Judge(kWhole, Result({both}), Result({kPasses}));
  ASSERT_EQ(proof.must_fail.size(), 1u) << proof.why_not;
  EXPECT_EQ(proof.must_fail[0].second, "the frame is gone");
  const CaseResult also = Case("A.Two", Verdict::kFailed, "the frame is gone");
  EXPECT_EQ(Judge(kWhole, Result({lacks, also}), Result({kPasses, kOther})).why_not, "");
}

TEST(Judge, EachPatternMustFail) {
  const GtestResult base = Result({kFailsForBehaviour, kOther}), ours = Result({kPasses, kOther});
  EXPECT_EQ(Judge({"x_test.cc", {"A.*"}}, base, ours).why_not, "");
  EXPECT_EQ(Judge({"x_test.cc", {"A.One"}}, base, ours).why_not, "");
  ExpectNoProof(Judge({"x_test.cc", {"A.One", "A.Two"}}, base, ours), "A.Two: no case fails");
  ExpectNoProof(Judge({"x_test.cc", {"B.*"}}, base, ours), "B.*: no case fails");
}

TEST(Judge, OursMustRunAndPass) {
  ExpectNoProof(Judge(kWhole, Result({kFailsForBehaviour}), Result({kFailsForBehaviour})),
                "on ours A.One fails: the guest saw 3");
  ExpectNoProof(Judge(kWhole, Result({kFailsForBehaviour}),
                      Result({Case("A.One", Verdict::kSkipped, "no KVM")})),
                "is not run on ours");
  GtestResult broken = Result({});
  broken.broken = "it ran no case";
  ExpectNoProof(Judge(kWhole, Result({kFailsForBehaviour}), broken), "it ran no case");
}

TEST(LacksOption, ByWhatQemuSays) {
  for (const char* text :
       {"qemu: -device x: Property 'virtio-net-pci.rx-filter' not found",
        "-enable-x: invalid option", "Parameter 'thread-cpus' is unexpected",
        "The command migrate-set-x has not been found", "'x' is not a valid device model name"})
    EXPECT_TRUE(LacksOption(text)) << text;
  EXPECT_FALSE(LacksOption("the guest saw 3"));
}

class Claims : public testing::Test {
 protected:
  void Write(const std::string& header) {
    WriteFile(dir_ / "series", "one.patch\n");
    WriteFile(dir_ / "one.patch", header + "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n");
  }
  TempDir dir_;
};

TEST_F(Claims, FilesPatternsAndContinuationLinesAreRead) {
  Write(
      "Description: x\nTested-By: tests/a_test.cc:F.*:G.One, tests/b_test.cc\n tests/c_test.cc\n");
  const auto claims = ReadClaims(dir_.path());
  ASSERT_EQ(claims.size(), 1u);
  EXPECT_EQ(claims[0].patch, "one.patch");
  ASSERT_EQ(claims[0].tests.size(), 3u);
  EXPECT_EQ(claims[0].tests[0].file, "tests/a_test.cc");
  EXPECT_EQ(claims[0].tests[0].Filter(), "F.*:G.One");
  EXPECT_EQ(claims[0].tests[1].Filter(), "*");
  EXPECT_EQ(claims[0].tests[2].file, "tests/c_test.cc");
}

TEST_F(Claims, APatchWithoutATestIsBadInput) {
  Write("Description: x\n");
  EXPECT_THROW(ReadClaims(dir_.path()), BadInput);
}

}  // namespace
}  // namespace stx
