// SPDX-License-Identifier: GPL-2.0-or-later
// Decides when a patch is proven: which cases its header names, and whether their results on the
// base and on ours show that they fail because the patch is missing.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "runner/gtest_run.h"

namespace stx {

/// One entry of a patch's DEP-3 field Tested-By: "tests/series/x_test.cc", or with patterns of
/// cases, "tests/series/x_test.cc:Fixture.*:Other.Case". Without patterns, all cases of the file
/// belong to the patch, and at least one of them must fail on the base. With patterns, at least one
/// case of each pattern must fail there; a pattern without a star is a case that must fail.
struct TestClaim {
  std::string file;
  std::vector<std::string> patterns;
  std::string Filter() const;  ///< for --gtest_filter; "*" if there are no patterns
};
struct PatchClaims {
  std::string patch;  ///< its name in patches/series
  std::vector<TestClaim> tests;
};

/// The claims of every patch of the series, in its order. Throws BadInput if the series cannot be
/// read or if a patch names no test.
std::vector<PatchClaims> ReadClaims(const std::filesystem::path& patches);

struct Proof {
  std::string why_not;  ///< empty if it is proven
  /// The cases that failed on the base because of the behaviour, with the first failure of each in
  /// one line.
  std::vector<std::pair<std::string, std::string>> must_fail;
};

/// `base` and `ours` are the results of the same cases on the two builds. The following do not
/// prove anything: a base on which the test program crashed, exceeded its time or was broken
/// otherwise; a case whose failures only say that the base does not have an option, property or
/// command; a case that does not pass on ours.
Proof Judge(const TestClaim& claim, const GtestResult& base, const GtestResult& ours);

/// Whether QEMU reports in this failure text that it does not have an option, property, parameter,
/// device or command.
bool LacksOption(const std::string& text);

}  // namespace stx
