// SPDX-License-Identifier: GPL-2.0-or-later
/// The report as JSON, for programs.
#pragma once

#include <string>

#include "restack/verdict.h"

namespace restack {

/// Every field of the verdict, grades and checks by name, indented by two spaces; the text of the
/// hunks, before and after, only if it is asked for. Bytes that are not UTF-8 are shown as U+FFFD.
std::string JsonReport(const SeriesVerdict& verdict, bool with_hunks = true);

}  // namespace restack
