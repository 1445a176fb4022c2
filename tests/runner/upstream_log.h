// SPDX-License-Identifier: GPL-2.0-or-later
// The results of QEMU's own tests, from meson's log, and the differences between two runs.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace stx {

/// The name and the result of each case: "OK", "SKIP", "FAIL", and for a whole program also
/// "TIMEOUT" or "ERROR". A program that speaks TAP (testanything.org, version 13) has, besides its
/// own row, a row "PROGRAM: CASE" for each of its cases, so that a program that ends early does not
/// hide earlier results.
using UpstreamResults = std::map<std::string, std::string>;

/// `path` is the file ending in .json that `meson test --logbase` leaves: one JSON object per line.
UpstreamResults ReadUpstreamLog(const std::filesystem::path& path);

/// "3 ERROR, 152 OK".
std::string Counts(const UpstreamResults& results);

struct UpstreamDifference {
  std::string name, plain, ours;  ///< a case that one of the runs does not have is "not run"
  bool Worse() const { return plain == "OK"; }
};
std::vector<UpstreamDifference> Compare(const UpstreamResults& plain, const UpstreamResults& ours);

}  // namespace stx
