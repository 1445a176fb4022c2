// SPDX-License-Identifier: GPL-2.0-or-later
#include "runner/requirements.h"

#include <gtest/gtest.h>

namespace stx {
namespace {

TEST(Requirements, ThePageCountsRowsWithAndWithoutACase) {
  const std::vector<ContractRow> rows{{"virtio 5.2.6.2 stable", "it is stable", ""},
                                      {"virtio 5.2.6.2 zeroes", "it is zero", ""},
                                      {"virtio 5.2.6.2 lifetime", "it lives", "not offered"},
                                      {"virtio 2.7.8.2 len", "it is counted", ""}};
  GtestResult result;
  result.cases = {{"All/Blk.Flush/0", Verdict::kPassed, "", {"virtio 5.2.6.2 stable"}},
                  {"All/Blk.Flush/1", Verdict::kPassed, "", {"virtio 5.2.6.2 stable"}},
                  {"Ring.Len", Verdict::kPassed, "", {"virtio 2.7.8.2 len", "1.1 other"}},
                  {"Blk.Zero", Verdict::kFailed, "", {"virtio 5.2.6.2 zeroes"}}};
  const std::string page = MakeRequirementsPage(rows, {{"program", result}});
  const auto has = [&](const std::string& line) {
    EXPECT_NE(page.find(line + "\n"), std::string::npos) << line << "\n" << page;
  };
  has("| Block device | 3 | 1 | 1 | 1 |");
  has("| Split virtqueues | 1 | 1 | 0 | 0 |");
  has("| **all** | 4 | 2 | 1 | 1 |");
  has("| 5.2.6.2 | it is stable | `Blk.Flush` |");
  has("| 5.2.6.2 | it is zero | **none** |");
  has("| 5.2.6.2 | it lives | none: not offered |");
  has("## Split virtqueues");
}

}  // namespace
}  // namespace stx
