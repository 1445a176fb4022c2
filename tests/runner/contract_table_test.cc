// SPDX-License-Identifier: GPL-2.0-or-later
#include "runner/contract_table.h"

#include <gtest/gtest.h>

#include "base/throws.h"

namespace stx {
namespace {

std::vector<ContractRow> Rows() {
  return {{"1.1 a", "it starts", ""}, {"1.2 b", "it ends", "lab"}};
}

JudgedBinary Binary(const std::string& name, Verdict verdict) {
  GtestResult result;
  result.cases = {{"All/Suite.Case/0", verdict, "", {"1.1 a"}},
                  {"Suite.Same", Verdict::kPassed, ""}};
  return {name, "version", {{"program", result}}};
}

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Contract, RowsAndReasonsAreRead) {
  TempDir dir;
  WriteFile(dir / "rows", "# comment\n\n1.1 a: it starts: now\n2 b: it ends\n  untested: no KVM\n");
  const auto rows = ReadContract(dir / "rows");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].id, "1.1 a");
  EXPECT_EQ(rows[0].text, "it starts: now");
  EXPECT_EQ(rows[1].untested, "no KVM");
}

TEST(Contract, ALineThatIsNoneIsNamed) {
  TempDir dir;
  WriteFile(dir / "rows", "1.1 a: it starts\nnonsense\n");
  EXPECT_TRUE(Throws<std::runtime_error>("rows:2: cannot read the line: nonsense",
                                         [&] { ReadContract(dir / "rows"); }));
}

TEST(Contract, ARowThatIsNotThereIsSaid) {
  JudgedBinary ours = Binary("ours", Verdict::kPassed);
  ours.results[0].result.cases[0].rows = {"9.9 z"};
  const auto unknown = UnknownRows(Rows(), ours.results);
  ASSERT_EQ(unknown.size(), 1u);
  EXPECT_TRUE(Has(unknown[0], "9.9 z"));
}

TEST(Contract, ThePageHasRowsCountsAndReasons) {
  const auto page = MakeContractPage(Rows(), {}, Binary("ours", Verdict::kPassed),
                                     Binary("Debian's", Verdict::kPassed));
  EXPECT_TRUE(Has(page.markdown, "| 1.1 a | it starts | Suite (1) | 1 passed | 1 passed |"));
  EXPECT_TRUE(Has(page.markdown, "- **1.2 b**: it ends. lab."));
  EXPECT_TRUE(page.gaps.empty());
}

TEST(Contract, ADifferenceMustBeExplained) {
  const JudgedBinary ours = Binary("ours", Verdict::kPassed),
                     other = Binary("Debian's", Verdict::kFailed);
  auto page = MakeContractPage(Rows(), {}, ours, other);
  ASSERT_EQ(page.gaps.size(), 1u);
  EXPECT_TRUE(Has(page.gaps[0], "All/Suite.Case/0: ours passed, Debian's failed"));
  page = MakeContractPage(Rows(), {{"All/Suite.", "It is older."}}, ours, other);
  EXPECT_TRUE(page.gaps.empty());
  EXPECT_TRUE(
      Has(page.markdown, "- It is older.\n  - Suite: 1 case: ours passed, Debian's failed"));
}

TEST(Contract, ARowWithNeitherTestNorReasonIsAGap) {
  const auto page =
      MakeContractPage({{"1.1 a", "x", ""}, {"1.3 c", "y", ""}}, {},
                       Binary("ours", Verdict::kPassed), Binary("Debian's", Verdict::kPassed));
  ASSERT_EQ(page.gaps.size(), 1u);
  EXPECT_TRUE(Has(page.gaps[0], "1.3 c"));
}

}  // namespace
}  // namespace stx
