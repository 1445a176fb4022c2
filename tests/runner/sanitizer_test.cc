// SPDX-License-Identifier: GPL-2.0-or-later
#include "runner/sanitizer.h"

#include <gtest/gtest.h>

namespace stx {
namespace {

TEST(SanitizerReports, OnlyErrorsAreReportsAndEachIsTakenOnce) {
  SanitizerReports reports;
  const std::string asan = reports.Environment()[0];
  const std::string path = asan.substr(asan.find("log_path=") + 9);
  EXPECT_EQ(reports.Take(), "");
  WriteFile(path + ".1", "==1==WARNING: ASan doesn't fully support makecontext\n");
  EXPECT_EQ(reports.Take(), "");
  WriteFile(path + ".2", "==2==ERROR: AddressSanitizer: heap-use-after-free\n");
  EXPECT_NE(reports.Take().find("heap-use-after-free"), std::string::npos);
  EXPECT_EQ(reports.Take(), "");
}

}  // namespace
}  // namespace stx
