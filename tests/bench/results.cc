// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench/results.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "bench/statistics.h"

namespace stx {
namespace {

std::string Pad(std::string text, size_t width) {
  text.resize(std::max(width, text.size()), ' ');
  return text;
}

}  // namespace

std::string FormatNumber(double value) {
  const double size = std::fabs(value);
  char text[64];
  std::snprintf(text, sizeof(text), "%.*f", size < 10 ? 2 : size < 100 ? 1 : 0, value);
  return text;
}

void Results::Add(const std::string& row, const std::string& unit, const std::string& binary,
                  double value) {
  auto found = std::ranges::find(rows_, row, &Row::name);
  if (found == rows_.end()) found = rows_.insert(found, Row{row, unit, {}});
  found->samples[binary].push_back(value);
}

const Row* Results::Find(const std::string& name) const {
  const auto found = std::ranges::find(rows_, name, &Row::name);
  return found == rows_.end() ? nullptr : &*found;
}

std::string Results::ToText() const {
  constexpr size_t kCell = 34;
  size_t first = 0;
  for (const Row& row : rows_) first = std::max(first, row.name.size() + row.unit.size() + 4);
  std::string text = Pad("", first);
  for (const std::string& binary : binaries_) text += Pad(binary, kCell);
  for (const Row& row : rows_) {
    while (text.ends_with(' ')) text.pop_back();
    text += '\n' + Pad(row.name + (row.unit.empty() ? "" : ", " + row.unit), first);
    const auto reference = row.samples.find(binaries_.at(0));
    for (const std::string& binary : binaries_) {
      const auto found = row.samples.find(binary);
      std::string cell = "-";
      if (found != row.samples.end()) {
        const std::vector<double>& samples = found->second;
        cell = FormatNumber(Median(samples));
        if (samples.size() > 1)
          cell += " ±" + FormatNumber((Quantile(samples, 0.75) - Quantile(samples, 0.25)) / 2);
        if (found != reference && reference != row.samples.end() &&
            reference->second.size() == samples.size()) {
          const Ratio ratio = PairedRatio(samples, reference->second);
          cell += "  " + FormatNumber(ratio.value);
          if (samples.size() > 1)
            cell += " [" + FormatNumber(ratio.low) + ", " + FormatNumber(ratio.high) + "]";
        }
      }
      // "±" is two bytes wide and one column.
      text += Pad(cell, kCell + (cell.find("±") != std::string::npos ? 1 : 0));
    }
  }
  while (text.ends_with(' ')) text.pop_back();
  return text + '\n';
}

json Results::ToJson() const {
  json rows = json::array();
  for (const Row& row : rows_)
    rows.push_back({{"name", row.name}, {"unit", row.unit}, {"samples", row.samples}});
  return {{"binaries", binaries_}, {"rows", rows}};
}

}  // namespace stx
