// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench/statistics.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <stdexcept>

namespace stx {
namespace {

constexpr int kResamples = 2000;

}  // namespace

double Quantile(std::vector<double> samples, double share) {
  if (samples.empty()) throw std::invalid_argument("a quantile of no samples");
  std::sort(samples.begin(), samples.end());
  const double at = share * static_cast<double>(samples.size() - 1);
  const auto below = static_cast<size_t>(std::floor(at));
  const size_t above = std::min(below + 1, samples.size() - 1);
  return samples[below] + (at - std::floor(at)) * (samples[above] - samples[below]);
}

double Median(const std::vector<double>& samples) { return Quantile(samples, 0.5); }

Ratio PairedRatio(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size() || a.empty())
    throw std::invalid_argument("a paired ratio needs samples of the same rounds");
  std::mt19937_64 random(20);
  std::uniform_int_distribution<size_t> round(0, a.size() - 1);
  std::vector<double> ratios, drawn_a(a.size()), drawn_b(b.size());
  for (int i = 0; i < kResamples; ++i) {
    for (size_t j = 0; j < a.size(); ++j) {
      const size_t drawn = round(random);
      drawn_a[j] = a[drawn];
      drawn_b[j] = b[drawn];
    }
    ratios.push_back(Median(drawn_a) / Median(drawn_b));
  }
  return {Median(a) / Median(b), Quantile(ratios, 0.025), Quantile(ratios, 0.975)};
}

}  // namespace stx
