// SPDX-License-Identifier: GPL-2.0-or-later
// Verdicts as text and as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "restack/verdict.h"

namespace restack::cli {

/// The whole verdict: every field of SeriesVerdict, grades and checks by name.
nlohmann::json ToJson(const SeriesVerdict& verdict);
nlohmann::json ToJson(const HunkVerdict& hunk);
/// A line a patch, then a paragraph for each hunk that needs a person; `all`: a line for every
/// hunk.
std::string ToText(const SeriesVerdict& verdict, bool all, bool colour);

}  // namespace restack::cli
