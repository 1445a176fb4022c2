// SPDX-License-Identifier: GPL-2.0-or-later
// The suites that judge mutants: how long each takes, and which lines of the base it executes.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "mutations/coverage.h"
#include "runner/gtest_run.h"
#include "runner/programs.h"

namespace stx {

struct JudgingSuite {
  Program program;
  std::string hash;     ///< of the test program
  std::string failing;  ///< cases that fail without a mutant, separated by colons
  std::string broken;   ///< why the suite cannot judge; empty if it can
  Milliseconds took{0};
  Coverage lines;
  /// Its run with counters was broken: it may execute any line.
  bool lines_unknown = false;

  bool Executes(const std::string& file, int line) const;
};

struct SuiteFolders {
  std::filesystem::path build;   ///< of the test programs
  std::filesystem::path plain;   ///< a binary without a mutant
  std::filesystem::path counts;  ///< the same by clang, with counters
  std::filesystem::path tree;    ///< their source
  std::filesystem::path cache;   ///< a file: what is known of suites that did not change
};

/// Runs each program of `programs` on both binaries, unless the cache has its results for this
/// binary and program. `files` are those of the tree whose lines matter. Stops early when
/// `interrupted` returns true.
std::vector<JudgingSuite> PrepareSuites(const std::vector<Program>& programs,
                                        const std::vector<std::string>& files,
                                        const SuiteFolders& folders, bool (*interrupted)());

/// Runs the suite on `qemu`. `cases`: only these (a filter of GoogleTest); empty: all that pass
/// without a mutant.
GtestResult RunSuite(const JudgingSuite& suite, const std::filesystem::path& build,
                     const std::filesystem::path& qemu, const std::string& cases);

/// A number, in hexadecimal, that changes when the text does.
std::string HashOf(const std::string& text);

}  // namespace stx
