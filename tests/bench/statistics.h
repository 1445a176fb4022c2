// SPDX-License-Identifier: GPL-2.0-or-later
// What can be said about a quantity that was measured several times.
#pragma once

#include <vector>

namespace stx {

/// The value below which `share` (0 to 1) of the samples lie, interpolated between neighbours.
/// Throws std::invalid_argument for no samples.
double Quantile(std::vector<double> samples, double share);
double Median(const std::vector<double>& samples);

/// A quotient of two medians and the interval that holds it with a confidence of 95 %.
struct Ratio {
  double value = 0, low = 0, high = 0;
};

/// Median of `a` / median of `b`. Sample i of both was taken in the same round, so the bootstrap
/// draws whole rounds: what disturbed a round disturbed both. The same samples give the same
/// interval. Throws std::invalid_argument unless both have as many samples, and at least one.
Ratio PairedRatio(const std::vector<double>& a, const std::vector<double>& b);

}  // namespace stx
