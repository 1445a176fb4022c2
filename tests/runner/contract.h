// SPDX-License-Identifier: GPL-2.0-or-later
// The Kata contract's rows (tests/contract.txt), what the suites said of each, and the page that
// shows it for two binaries side by side.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "runner/gtest_run.h"

namespace stx {

struct ContractRow {
  std::string id;        ///< "1.2 enable_iommu"
  std::string text;      ///< what must hold
  std::string untested;  ///< why no test here can tell; empty for the others
};

/// Throws with file and line when a line is none of a row, a reason, a comment.
std::vector<ContractRow> ReadContract(const std::filesystem::path& path);

/// Why cases say something else of the other binary than of ours.
struct Difference {
  std::string start;  ///< of the names of the cases, as GoogleTest prints them
  std::string why;
};
/// "START: why" lines, as in ReadContract.
std::vector<Difference> ReadDifferences(const std::filesystem::path& path);

/// Rows that cases name and the contract lacks, a message each.
std::vector<std::string> UnknownRows(const std::vector<ContractRow>& contract,
                                     const std::vector<SuiteResult>& results);

struct ContractPage {
  std::string markdown;
  /// Rows without test and reason, and differences without explanation: a message each.
  std::vector<std::string> gaps;
};
struct JudgedBinary {
  std::string name;     ///< a heading of the table: "ours"
  std::string version;  ///< the first line of -version
  std::vector<SuiteResult> results;
};
ContractPage MakeContractPage(const std::vector<ContractRow>& contract,
                              const std::vector<Difference>& differences, const JudgedBinary& ours,
                              const JudgedBinary& other);

}  // namespace stx
