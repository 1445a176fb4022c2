// SPDX-License-Identifier: GPL-2.0-or-later
// Runs one GoogleTest program on one QEMU and says what became of each of its cases.
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
  /// A failure's text as the case printed it, or a skip's reason.
  std::string text;
  /// The rows of the Kata contract that it answers for (harness/qemu/contract.h).
  std::vector<std::string> rows = {};
  /// Those of its rows whose step this machine cannot do: it does not answer for them.
  std::vector<std::string> unseen_rows = {};
  Milliseconds took{0};
  bool crashed = false;  ///< the test program ended in it

  /// Each failure as it was printed, without its place in the source.
  std::vector<std::string> Failures() const;
  /// The first of them in a line.
  std::string FailureInALine() const;
};

struct GtestResult {
  std::vector<CaseResult> cases;
  Milliseconds took{0};
  /// Unset when all went as GoogleTest plans: no case at all, a crash outside a case, no end in
  /// time.
  std::string broken;

  int Count(Verdict verdict) const;
  bool Failed() const { return !broken.empty() || Count(Verdict::kFailed) > 0; }
  /// The first failure in a line, for a summary.
  std::string FirstFailure() const;
};

struct SuiteResult {
  std::string name;  ///< of meson's test()
  GtestResult result;
};

/// A failure in a line, for a summary.
std::string InALine(const std::string& failure);

/// `environment` is NAME=value; a case that ends its program counts as failed.
GtestResult RunGtest(const std::filesystem::path& program, std::vector<std::string> environment,
                     Milliseconds timeout);

/// The cases in what a GoogleTest program printed.
std::vector<CaseResult> ParseGtest(const std::string& output);

}  // namespace stx
