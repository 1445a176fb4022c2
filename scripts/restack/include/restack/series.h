// SPDX-License-Identifier: GPL-2.0-or-later
/// quilt's series file: on each line a patch with its options, or a comment.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "restack/patch.h"
#include "restack/result.h"
#include "restack/text.h"

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

/// Error, with the line: an option other than -pN, -R and --fuzz=0, a guard, a name that is listed
/// twice or leads out of the folder.
Result<SeriesFile> ParseSeries(std::string_view bytes, const std::string& name);
std::string Print(const SeriesFile& series);

/// A series with its patches read: a value, which any number of threads may read.
struct Series {
  SeriesFile file;
  std::vector<Patch> patches;          ///< those of `file`'s entries that name one, in order
  std::vector<int> strip;              ///< of each patch
  std::vector<bool> reverse;           ///< of each patch
  std::vector<Bytes> originals;        ///< of each patch's file, packed when it is
};

}  // namespace restack
