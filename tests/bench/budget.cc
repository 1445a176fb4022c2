// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench/budget.h"

#include <algorithm>
#include <cstdio>
#include <sstream>
#include <stdexcept>

#include "base/os.h"

namespace stx {

std::map<std::string, Budget> ReadBudgets(const std::filesystem::path& path) {
  std::map<std::string, Budget> budgets;
  std::istringstream lines(ReadFile(path));
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    std::string name, rest;
    Budget budget;
    char percent = 0;
    const bool read = words >> name >> budget.value >> budget.margin >> percent && percent == '%' &&
                      !(words >> rest) && budget.value > 0 && budget.margin >= 0;
    budget.margin /= 100;
    if (!read || !budgets.emplace(name, budget).second)
      throw std::runtime_error(path.string() + ":" + std::to_string(number) +
                               ": not a new \"NAME VALUE MARGIN%\": " + line);
  }
  return budgets;
}

std::string JudgeBudget(const std::string& name, const Budget& budget, double measured) {
  constexpr double kLoose = 0.25;
  const double most = budget.value * (1 + budget.margin);
  const double least = budget.value * (1 - std::max(kLoose, budget.margin));
  if (measured >= least && measured <= most) return "";
  char text[256];
  std::snprintf(text, sizeof(text), "%s: %.0f, and the budget is %.0f with a margin of %.0f %%. %s",
                name.c_str(), measured, budget.value, 100 * budget.margin,
                measured > most ? "The start has become dearer."
                                : "The start has become cheaper: lower the budget to this.");
  return text;
}

}  // namespace stx
