// SPDX-License-Identifier: GPL-2.0-or-later
// The rows of the Kata contract (tests/contract.txt), the results of the suites for each of them,
// and the page that shows both for two binaries side by side.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "runner/gtest_run.h"

namespace stx {

struct ContractRow {
  std::string id;        ///< "1.2 enable_iommu"
  std::string text;      ///< what must hold
  std::string untested;  ///< why no test here can decide it; empty for other rows
};

/// Throws with file and line for a line that is neither a row, a reason nor a comment.
std::vector<ContractRow> ReadContract(const std::filesystem::path& path);

/// Why cases have a different result on the other binary than on ours.
struct Difference {
  std::string start;  ///< the beginning of the cases' names, as GoogleTest prints them
  std::string why;
};
/// Reads "START: why" lines; comments and errors as in ReadContract.
std::vector<Difference> ReadDifferences(const std::filesystem::path& path);

/// One message for each row that a case names and the contract does not have.
std::vector<std::string> UnknownRows(const std::vector<ContractRow>& contract,
                                     const std::vector<SuiteResult>& results);

struct ContractPage {
  std::string markdown;
  /// One message for each row without a test or a reason, and for each difference without an
  /// explanation.
  std::vector<std::string> gaps;
};
struct JudgedBinary {
  std::string name;     ///< a column heading of the table: "ours"
  std::string version;  ///< the first line of -version
  std::vector<SuiteResult> results;
};
ContractPage MakeContractPage(const std::vector<ContractRow>& contract,
                              const std::vector<Difference>& differences, const JudgedBinary& ours,
                              const JudgedBinary& other);

}  // namespace stx
