// SPDX-License-Identifier: GPL-2.0-or-later
// What a pod's start may cost: the counts of budget.txt, which need no quiet machine.
#pragma once

#include <filesystem>
#include <map>
#include <string>

namespace stx {

struct Budget {
  double value = 0;
  double margin = 0;  ///< a share of value: 0.05
};

/// "NAME VALUE MARGIN%" per line, and comments. Throws std::runtime_error naming file and line for
/// another one, and for a name that comes twice.
std::map<std::string, Budget> ReadBudgets(const std::filesystem::path& path);

/// Empty when `measured` keeps the budget, else what is wrong: it is more than the budget and its
/// margin, or so much less (a quarter, or the margin if that is wider) that the budget would no
/// longer notice when all of the gain is lost again.
std::string JudgeBudget(const std::string& name, const Budget& budget, double measured);

}  // namespace stx
