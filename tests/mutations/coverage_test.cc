// SPDX-License-Identifier: GPL-2.0-or-later
#include "mutations/coverage.h"

#include <gtest/gtest.h>

namespace stx {
namespace {

TEST(Coverage, OfATracefileIsTheExecutedLinesOfTheTree) {
  const Coverage coverage = ParseTracefile(
      "SF:/t/tree/hw/"
      "a.c\nFN:1,main\nDA:1,7\nDA:2,0\nDA:30,18446744073709551615\nLF:3\nend_of_record\n"
      "SF:/usr/include/b.h\nDA:4,1\nend_of_record\n"
      "SF:/t/build/../tree/c.c\nDA:5,1\nend_of_record\n",
      "/t/tree");
  EXPECT_EQ(coverage, (Coverage{{"c.c", {5}}, {"hw/a.c", {1, 30}}}));
}

TEST(Coverage, ALineWithoutACountIsAnError) {
  EXPECT_THROW(ParseTracefile("SF:/t/a.c\nDA:1\n", "/t"), std::runtime_error);
}

}  // namespace
}  // namespace stx
