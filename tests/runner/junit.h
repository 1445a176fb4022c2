// SPDX-License-Identifier: GPL-2.0-or-later
// Results in the XML format that CI systems read (JUnit's, which GoogleTest writes as well).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "runner/gtest_run.h"

namespace stx {

/// Writes one testsuite element per suite and one testcase per case, with its time in seconds, the
/// reason if it failed or was skipped (what it printed if it passed), and one property "contract"
/// for each row for which it answers. What broke a whole suite becomes a case with the name of the
/// suite and an error. The file appears completely or not at all. Throws std::runtime_error if it
/// cannot be written.
void WriteJunit(const std::filesystem::path& file, const std::vector<SuiteResult>& suites);

}  // namespace stx
