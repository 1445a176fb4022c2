// SPDX-License-Identifier: GPL-2.0-or-later
// The rows of the table, in groups that can be measured alone.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "bench/life.h"
#include "bench/results.h"

namespace stx {

struct Plan {
  std::vector<Binary> binaries;
  std::filesystem::path build;
  int rounds = 0;  ///< of what is a time; 0: as many as the group thinks right
};

/// One group of rows: its name, and what adds them.
struct RowGroup {
  const char* name;
  void (*measure)(const Plan& plan, Results* results);
};

/// From fork to QMP's first reply and to the end, for the lines of life.h.
void MeasureStart(const Plan& plan, Results* results);

/// Calls `round` for each binary in turn, `rounds` times; every other round backwards, so that no
/// binary always follows the same one.
void Interleave(const std::vector<Binary>& binaries, int rounds,
                const std::function<void(const Binary&)>& round);

}  // namespace stx
