// SPDX-License-Identifier: GPL-2.0-or-later
/// The report as a single HTML page without external resources.
#pragma once

#include <string>
#include <vector>

#include "restack/verdict.h"

namespace restack {

/// The page shows an overview of the series on each of its targets, then every hunk with its grade
/// and evidence, and its old form beside the new one. It has no script and no external resource (its
/// Content-Security-Policy forbids them), and follows the light or dark theme of the reader's
/// system. Bytes that are not UTF-8 are shown as U+FFFD.
std::string HtmlReport(const std::vector<SeriesVerdict>& verdicts);

}  // namespace restack
