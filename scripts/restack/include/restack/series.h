// SPDX-License-Identifier: GPL-2.0-or-later
/// quilt's series file: one patch per line with its options, comments; guards (as guards(1) writes
/// them) are kept.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "restack/patch.h"
#include "restack/result.h"

namespace restack {

struct SeriesEntry {
  std::string raw;       ///< the line as it was read, with its terminator
  std::string patch;     ///< path below the series' folder; empty: a comment or blank line
  int strip = 1;         ///< -pN
  bool reverse = false;  ///< -R
};

struct SeriesFile {
  std::vector<SeriesEntry> entries;
};

/// Error: an option that quilt does not have, with the line.
Result<SeriesFile> ParseSeries(std::string_view bytes, const std::string& name);
std::string Print(const SeriesFile& series);

/// A series with its patches read: a value.
struct Series {
  SeriesFile file;
  std::vector<Patch> patches;          ///< those of `file`'s entries that name one, in order
  std::vector<int> strip;              ///< of each patch
  std::vector<bool> reverse;           ///< of each patch
  std::vector<std::string> originals;  ///< bytes of each patch, as read
};

}  // namespace restack
