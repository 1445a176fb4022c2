// SPDX-License-Identifier: GPL-2.0-or-later
// What QEMU's own tests said, from meson's log, and how two runs differ.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace stx {

/// A case's name and what became of it: "OK", "SKIP", "FAIL", and for a program as a whole
/// "TIMEOUT" or "ERROR" as well. A program that speaks TAP (testanything.org, version 13) has a row
/// for each of its cases, "PROGRAM: CASE", beside its own: one that ends in the middle must not
/// hide what it had found until there.
using UpstreamResults = std::map<std::string, std::string>;

/// `path` is what `meson test --logbase` leaves with the ending .json: a JSON object a line.
UpstreamResults ReadUpstreamLog(const std::filesystem::path& path);

/// "3 ERROR, 152 OK".
std::string Counts(const UpstreamResults& results);

struct UpstreamDifference {
  std::string name, plain, ours;  ///< a case that one run lacks is "not run"
  bool Worse() const { return plain == "OK"; }
};
std::vector<UpstreamDifference> Compare(const UpstreamResults& plain, const UpstreamResults& ours);

}  // namespace stx
