// SPDX-License-Identifier: GPL-2.0-or-later
/// Which patch of a series needs which other one.
#pragma once

#include <string>
#include <vector>

#include "restack/rebase.h"

namespace restack {

struct Dependency {
  size_t patch, needs;  ///< positions in the series; `needs` comes first
  bool textual;  ///< its hunks change or stand on lines that the other one added; otherwise by
                 ///< symbol only
  std::vector<std::string> evidence;  ///< a file for textual ones, symbols otherwise
};

/// Textual ones by applying the series to `base`; by symbol: a function, macro, member, option or
/// QAPI name that one patch introduces and another one uses. Names match with "-" and "_" alike, so
/// that an option and its implementation meet.
Result<std::vector<Dependency>> Dependencies(const Series& series,
                                             std::shared_ptr<const Tree> base);

}  // namespace restack
