// SPDX-License-Identifier: GPL-2.0-or-later
// Runs one GoogleTest program on one QEMU and returns the result of each case.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/os.h"

namespace stx {

enum class Verdict { kPassed, kFailed, kSkipped };

struct CaseResult {
  std::string name;  ///< Suite.Case
  Verdict verdict;
  /// The text of a failure as the case printed it, or the reason for a skip.
  std::string text;
  /// The rows of the Kata contract for which it answers (harness/qemu/contract.h).
  std::vector<std::string> rows = {};
  /// The rows whose step this machine cannot perform; the case does not answer for them.
  std::vector<std::string> unseen_rows = {};
  Milliseconds took{0};
  bool crashed = false;  ///< the test program crashed in this case

  /// Each failure as it was printed, without its position in the source.
  std::vector<std::string> Failures() const;
  /// The first failure, in one line.
  std::string FailureInALine() const;
};

struct GtestResult {
  std::vector<CaseResult> cases;
  Milliseconds took{0};
  /// Unset if the program ran as GoogleTest intends. Otherwise why not: no case at all, a crash
  /// outside a case, or no end within the time limit.
  std::string broken;

  int Count(Verdict verdict) const;
  bool Failed() const { return !broken.empty() || Count(Verdict::kFailed) > 0; }
  /// The first failure in one line, for a summary.
  std::string FirstFailure() const;
};

struct SuiteResult {
  std::string name;  ///< the name in meson's test()
  GtestResult result;
};

/// A failure in one line, for a summary.
std::string InALine(const std::string& failure);

/// `environment` holds NAME=value. A case that crashes its program counts as failed.
GtestResult RunGtest(const std::filesystem::path& program, std::vector<std::string> environment,
                     Milliseconds timeout);

/// The cases in the output of a GoogleTest program.
std::vector<CaseResult> ParseGtest(const std::string& output);

}  // namespace stx
