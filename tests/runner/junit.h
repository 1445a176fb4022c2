// SPDX-License-Identifier: GPL-2.0-or-later
// Results in the XML form that CI systems read (JUnit's, as GoogleTest writes it too).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "runner/gtest_run.h"

namespace stx {

/// Writes one testsuite element per suite and one testcase per case, with its time in seconds, the
/// reason when it failed or was skipped (what it printed when it passed), and a property "contract"
/// for each row that it answers for. What broke a whole suite is a case named after the suite, with
/// an error. The file appears whole or not at all; throws std::runtime_error when it cannot be
/// written.
void WriteJunit(const std::filesystem::path& file, const std::vector<SuiteResult>& suites);

}  // namespace stx
