// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench/results.h"

#include <gtest/gtest.h>

#include "bench/sample_results.h"

namespace stx {
namespace {

TEST(Results, NumbersHaveThreeDigitsThatCount) {
  EXPECT_EQ(FormatNumber(0.724), "0.72");
  EXPECT_EQ(FormatNumber(36.44), "36.4");
  EXPECT_EQ(FormatNumber(111.3), "111");
  EXPECT_EQ(FormatNumber(-3), "-3.00");
}

TEST(Results, ATableHasMediansSpreadsAndRatios) {
  Results results = MakeSampleResults();
  results.Add("start: instructions", "M", "debian", 111);
  results.Add("only of kata", "", "kata", 7);
  EXPECT_EQ(
      results.ToText(),
      "                        debian                            kata\n"
      "start: CPU time, ms     50.0 ±5.00                        25.0 ±2.50  0.50 [0.50, 0.50]\n"
      "start: instructions, M  111                               -\n"
      "only of kata            -                                 7.00\n");
  const json kept = results.ToJson();
  EXPECT_EQ(kept["binaries"], json::array({"debian", "kata"}));
  EXPECT_EQ(kept["rows"][0]["name"], "start: CPU time");
  EXPECT_EQ(kept["rows"][0]["samples"]["kata"], json::array({20.0, 25.0, 30.0}));
}

}  // namespace
}  // namespace stx
