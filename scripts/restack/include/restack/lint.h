// SPDX-License-Identifier: GPL-2.0-or-later
/// Checks a series that is kept in a repository: does it apply as it is, and does each patch have
/// the header that it must have?
#pragma once

#include <string>
#include <vector>

#include "restack/series.h"
#include "restack/tree.h"

namespace restack {

struct Finding {
  std::string patch;  ///< empty: the series itself
  std::string message;
};

/// Applies all patches in order with fuzz 0. Reports each hunk that needs an offset or does not
/// apply, each of the DEP-3 `fields` that is missing or out of order, and each file named in
/// Tested-By that does not exist below `root` (not checked if `root` is empty).
std::vector<Finding> Lint(const Series& series, const Tree& base,
                          const std::vector<std::string>& fields, const std::string& root);

}  // namespace restack
