// SPDX-License-Identifier: GPL-2.0-or-later
// A bar chart as SVG, readable on light and dark pages.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace stx {

struct Bar {
  double value = 0, low = 0, high = 0;  ///< the whisker is from low to high
};

struct BarGroup {
  std::string name;
  std::vector<std::optional<Bar>> bars;  ///< one per series; unset: not measured
  std::optional<double> mark;            ///< a line across the group: its goal
};

struct Chart {
  std::string title;
  std::vector<std::string> series;  ///< at most four
  std::vector<BarGroup> groups;
};

/// Horizontal bars from 0; the axis ends above the largest value. Throws std::invalid_argument for
/// a chart without groups or with too many series.
std::string DrawChart(const Chart& chart);

}  // namespace stx
