// SPDX-License-Identifier: GPL-2.0-or-later
/// The gate for a series that a house keeps: does it apply as it stands, and does each patch say
/// what it must?
#pragma once

#include <string>
#include <vector>

#include "restack/series.h"
#include "restack/tree.h"

namespace restack {

struct Finding {
  std::string patch;  ///< empty: the series itself
  std::string sentence;
};

/// Applies all patches in order with fuzz 0 and says each hunk that needs an offset or has no
/// place; missing fields of DEP-3 heads among `fields`, and those in another order; files of Tested-By that are not below
/// `root` ("" : not looked for).
std::vector<Finding> Lint(const Series& series, const Tree& base,
                          const std::vector<std::string>& fields, const std::string& root);

}  // namespace restack
