// SPDX-License-Identifier: GPL-2.0-or-later
/// The report as one page that needs nothing but itself.
#pragma once

#include <string>
#include <vector>

#include "restack/verdict.h"

namespace restack {

/// HTML of a series on each of its targets: all of it at a glance, then every hunk with its grade
/// and its evidence, and what it was beside what it became. No script, no outside resource (its
/// Content-Security-Policy forbids them), light or dark as the reader's system. Bytes that are no
/// UTF-8 are shown as U+FFFD.
std::string HtmlReport(const std::vector<SeriesVerdict>& verdicts);

}  // namespace restack
