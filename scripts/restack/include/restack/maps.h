// SPDX-License-Identifier: GPL-2.0-or-later
/// The map of files and functions as a TOML file that a person may edit.
#pragma once

#include <string>
#include <string_view>

#include "restack/rebase.h"
#include "restack/result.h"

namespace restack {

/// [files] "old path" = "new path" ("" is nowhere); [functions] "old path:name" = "new path".
/// Error: the file and line that cannot be read.
Result<Maps> ParseMaps(std::string_view toml, const std::string& name);
/// Prints what restack found, with the evidence as comments. `given` holds the user's entries,
/// which come first and are kept.
std::string PrintMaps(const Maps& given, const SeriesVerdict& found);

}  // namespace restack
