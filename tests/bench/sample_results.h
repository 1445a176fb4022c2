// SPDX-License-Identifier: GPL-2.0-or-later
// Results as a measurement gives them, for the tests of what is made from them.
#pragma once

#include "bench/results.h"

namespace stx {

/// Three samples of one row, which kata's binary halves.
inline Results MakeSampleResults() {
  Results results({"debian", "kata"});
  for (const double value : {40.0, 50.0, 60.0}) {
    results.Add("start: CPU time", "ms", "debian", value);
    results.Add("start: CPU time", "ms", "kata", value / 2);
  }
  return results;
}

}  // namespace stx
