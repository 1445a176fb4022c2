// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench/callgrind.h"

#include <gtest/gtest.h>

#include <map>
#include <stdexcept>

#include "base/throws.h"

namespace stx {
namespace {

// main (10 of its own) calls twice `work` (30), which calls itself (20 of them) and libc's memset
// (8), whose code stands in two files.
constexpr char kText[] =
    "# callgrind format\n"
    "version: 1\n"
    "creator: callgrind-3.19.0\n"
    "cmd:  ./a.out\n"
    "\n"
    "desc: Trigger: Program termination\n"
    "positions: line\n"
    "events: Ir\n"
    "summary: 48\n"
    "\n"
    "ob=(1) /a.out\n"
    "fl=(1) main.c\n"
    "fn=(1) main\n"
    "16 6\n"
    "+2 4\n"
    "cfn=(2) work\n"
    "calls=2 20\n"
    "* 38\n"
    "\n"
    "fn=(2)\n"
    "20 30\n"
    "cfn=(2)\n"
    "calls=1 20\n"
    "-1 20\n"
    "cob=(2) /libc.so\n"
    "cfi=(2) memset.S\n"
    "cfn=(3) memset\n"
    "calls=1 1\n"
    "* 8\n"
    "\n"
    "ob=(2)\n"
    "fl=(2)\n"
    "fn=(3)\n"
    "1 5\n"
    "fi=(3) memset.h\n"
    "+1 3\n"
    "\n"
    "totals: 48\n";

TEST(Callgrind, CostsAreSelfAndWithWhatIsCalled) {
  const CallgrindProfile profile = ParseCallgrind(kText);
  EXPECT_EQ(profile.total, 48u);
  ASSERT_EQ(profile.functions.size(), 3u);
  EXPECT_EQ(profile.functions[0].name, "main");
  EXPECT_EQ(profile.functions[0].self, 10u);
  EXPECT_EQ(profile.functions[0].inclusive, 48u);
  EXPECT_EQ(profile.functions[1].name, "work");
  EXPECT_EQ(profile.functions[1].self, 30u);
  EXPECT_EQ(profile.functions[1].inclusive, 38u) << "its call of itself is not counted again";
  EXPECT_EQ(profile.functions[2].name, "memset");
  EXPECT_EQ(profile.functions[2].self, 8u);
  EXPECT_EQ(profile.functions[2].inclusive, 8u);
}

TEST(Callgrind, NamesMayStandWithoutNumbers) {
  const CallgrindProfile profile =
      ParseCallgrind("# callgrind format\nevents: Ir\nfn=f\n1 2\nfn=f\n2 3\ntotals: 5\n");
  ASSERT_EQ(profile.functions.size(), 1u);
  EXPECT_EQ(profile.functions[0].name, "f");
  EXPECT_EQ(profile.functions[0].self, 5u);
}

std::string Without(const std::string& part) {
  std::string text = kText;
  return text.erase(text.find(part), part.size());
}

TEST(Callgrind, WhatIsNoneOrIncompleteIsRefusedWithItsLine) {
  const auto refused = [](const std::string& text, const std::string& why) {
    return Throws<std::runtime_error>(why, [&] { ParseCallgrind(text); });
  };
  EXPECT_TRUE(refused("", "not a file of callgrind"));
  EXPECT_TRUE(refused("vmlinux", "not a file of callgrind"));
  EXPECT_TRUE(refused(Without("totals: 48\n"), "cut short"));
  EXPECT_TRUE(refused(Without("fn=(1) main\n"), "line 13: a cost before any function"));
  EXPECT_TRUE(refused(Without(" work"), "line 16: a function without its name: (2)"));
  EXPECT_TRUE(refused(Without("cfn=(2) work\n"), "line 16: calls of no function"));
  EXPECT_TRUE(refused("# callgrind format\nevents: Ir Dr\n", "line 2: events"));
  EXPECT_TRUE(refused("# callgrind format\npositions: instr line\n", "line 2: positions"));
  EXPECT_TRUE(refused("# callgrind format\nfn=f\n7\n", "line 3: a position without a cost"));
  EXPECT_TRUE(refused("# callgrind format\nfn=f\n7 x\n", "line 3: not a number: x"));
}

}  // namespace
}  // namespace stx
