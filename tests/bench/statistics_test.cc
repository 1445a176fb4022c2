// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench/statistics.h"

#include <gtest/gtest.h>

#include <random>
#include <stdexcept>

#include "base/throws.h"

namespace stx {
namespace {

TEST(Statistics, MedianIsTheMiddleOrBetweenTheTwoInTheMiddle) {
  EXPECT_EQ(Median({7}), 7);
  EXPECT_EQ(Median({9, 1, 5}), 5);
  EXPECT_EQ(Median({4, 1, 3, 2}), 2.5);
}

TEST(Statistics, QuantilesLieBetweenNeighbours) {
  EXPECT_EQ(Quantile({10, 20, 30, 40, 50}, 0.25), 20);
  EXPECT_EQ(Quantile({10, 20}, 0.25), 12.5);
  EXPECT_EQ(Quantile({10, 20, 30}, 0), 10);
  EXPECT_EQ(Quantile({10, 20, 30}, 1), 30);
  EXPECT_TRUE(Throws<std::invalid_argument>("no samples", [] { Quantile({}, 0.5); }));
}

TEST(Statistics, RatioOfEqualSamplesIsOneWithoutDoubt) {
  const Ratio ratio = PairedRatio({3, 3, 3}, {3, 3, 3});
  EXPECT_EQ(ratio.value, 1);
  EXPECT_EQ(ratio.low, 1);
  EXPECT_EQ(ratio.high, 1);
}

// A round that is ten times slower for both says nothing about their ratio.
TEST(Statistics, WhatDisturbsARoundDisturbsBoth) {
  std::vector<double> a, b;
  for (int i = 0; i < 20; ++i) {
    const double load = i % 2 ? 10 : 1;
    b.push_back(load * 100);
    a.push_back(load * 50);
  }
  const Ratio ratio = PairedRatio(a, b);
  EXPECT_DOUBLE_EQ(ratio.low, 0.5);
  EXPECT_DOUBLE_EQ(ratio.high, 0.5);
}

TEST(Statistics, IntervalHoldsTheTruthAndNarrowsWithMoreRounds) {
  std::mt19937_64 random(1);
  std::normal_distribution<double> noise(1, 0.1);
  const auto width = [&](int rounds) {
    std::vector<double> a, b;
    for (int i = 0; i < rounds; ++i) {
      a.push_back(70 * noise(random));
      b.push_back(100 * noise(random));
    }
    const Ratio ratio = PairedRatio(a, b);
    EXPECT_LT(ratio.low, 0.7);
    EXPECT_GT(ratio.high, 0.7);
    EXPECT_LE(ratio.low, ratio.value);
    EXPECT_GE(ratio.high, ratio.value);
    return ratio.high - ratio.low;
  };
  EXPECT_LT(width(400), width(10));
}

TEST(Statistics, SamplesOfDifferentRoundsAreRefused) {
  EXPECT_TRUE(Throws<std::invalid_argument>("same rounds", [] { PairedRatio({1, 2}, {1}); }));
  EXPECT_TRUE(Throws<std::invalid_argument>("same rounds", [] { PairedRatio({}, {}); }));
}

}  // namespace
}  // namespace stx
