// SPDX-License-Identifier: GPL-2.0-or-later
// When a patch is proven: which cases its header names, and whether what they did on the base and
// on ours shows that they fail for want of the patch.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "runner/gtest_run.h"

namespace stx {

/// One entry of a patch's DEP-3 field Tested-By: "tests/series/x_test.cc", or with patterns of
/// cases behind it, "tests/series/x_test.cc:Fixture.*:Other.Case". Without patterns all cases of
/// the file are the patch's, and one of them must fail on the base. Of the cases of each pattern
/// one must: a pattern without a star is a case that must.
struct TestClaim {
  std::string file;
  std::vector<std::string> patterns;
  std::string Filter() const;  ///< for --gtest_filter; "*" without patterns
};
struct PatchClaims {
  std::string patch;  ///< as patches/series names it
  std::vector<TestClaim> tests;
};

/// Those of every patch of the series, in its order. Throws BadInput when the series cannot be read
/// or a patch names no test.
std::vector<PatchClaims> ReadClaims(const std::filesystem::path& patches);

struct Proof {
  std::string why_not;  ///< empty: proven
  /// The cases that failed on the base for the behaviour, with the first failure of each in a line.
  std::vector<std::pair<std::string, std::string>> must_fail;
};

/// `base` and `ours` are the same cases on the two builds. No proof is: a base on which the test
/// program crashed, did not end in time, or was broken otherwise; a case each of whose failures
/// says only that the base lacks an option, property or command; a case that does not pass on ours.
Proof Judge(const TestClaim& claim, const GtestResult& base, const GtestResult& ours);

/// Whether QEMU says, in this text of a failure, that it has no such option, property, parameter,
/// device or command.
bool LacksOption(const std::string& text);

}  // namespace stx
