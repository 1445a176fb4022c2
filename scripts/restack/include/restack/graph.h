// SPDX-License-Identifier: GPL-2.0-or-later
/// Dependencies between the patches of a series.
#pragma once

#include <string>
#include <vector>

#include "restack/rebase.h"

namespace restack {

struct Dependency {
  size_t patch, needs;  ///< positions in the series; `needs` comes first
  bool textual;  ///< its hunks change lines that the other patch added, or use them as context;
                 ///< otherwise it only uses a symbol of the other patch
  std::vector<std::string> evidence;  ///< a file for textual ones, symbols otherwise
};

/// Textual dependencies are found by applying the series to `base`. A dependency by symbol is a
/// function, macro, member, option or QAPI name that one patch introduces and another one uses; "-"
/// and "_" count as equal in names, so that an option matches its implementation.
Result<std::vector<Dependency>> Dependencies(const Series& series,
                                             std::shared_ptr<const Tree> base);

}  // namespace restack
