// SPDX-License-Identifier: GPL-2.0-or-later
#include "mutations/operators.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/throws.h"

namespace stx {
namespace {

std::vector<std::string> Of(const std::string& line) {
  std::vector<std::string> after;
  for (const Mutant& mutant : MakeMutants("f.c", "int f(int a)\n{\n    " + line + "\n}\n"))
    after.push_back(mutant.after);
  std::sort(after.begin(), after.end());
  return after;
}

using Lines = std::vector<std::string>;

TEST(Operators, ChangeOneThingEach) {
  EXPECT_EQ(Of("if (a < b) {"), (Lines{"if (!(a < b)) {", "if (a <= b) {"}));
  EXPECT_EQ(Of("x = a && !b;"), (Lines{";", "x = a && b;", "x = a || !b;"}));
  EXPECT_EQ(Of("return s->on ? true : FLAG_ON;"),
            (Lines{"return s->on ? false : FLAG_ON;", "return s->on ? true : (FLAG_ON + 1);"}));
  EXPECT_EQ(Of("return -EINVAL;"), (Lines{"return 0;"}));
  EXPECT_EQ(Of("call(s, 0x1f, 9);"), (Lines{";", "call(s, 0x1f, 10);", "call(s, 0x20, 9);"}));
  EXPECT_EQ(Of("s->n[i] += a << 2;"),
            (Lines{";", "s->n[i] += a << 3;", "s->n[i] += a >> 2;", "s->n[i] -= a << 2;"}));
  EXPECT_EQ(Of("i++;"), (Lines{"i--;"}));
  EXPECT_EQ(Of("a = b;"), (Lines{";"}));
  EXPECT_EQ(Of("int a = b;"), (Lines{})) << "a declaration";
}

TEST(Operators, LeaveAloneWhatIsNotCode) {
  EXPECT_EQ(Of("/* a < b */"), Lines{});
  EXPECT_EQ(Of("f(\"a == 1\");"), (Lines{";"}));
  EXPECT_EQ(Of("trace_f(a + 1);"), Lines{});
  EXPECT_EQ(Of("assert(a == 1);"), Lines{});
  EXPECT_EQ(Of("g_free(a);"), Lines{});
  EXPECT_TRUE(MakeMutants("f.c", "static int a = 1;\n#define F(a) \\\n    f(a)\n").empty())
      << "outside functions";
}

TEST(Operators, LinesThatAreAlikeHaveNamesOfTheirOwn) {
  const std::vector<Mutant> mutants = MakeMutants(
      "f.c", "int f(int a)\n{\n    g(a);\n    g(a);\n}\nint h(int a)\n{\n    g(a);\n}\n");
  ASSERT_EQ(mutants.size(), 3u);
  EXPECT_EQ(mutants[0].Name(), "f.c f: g(a);  =>  ;");
  EXPECT_EQ(mutants[1].Name(), "f.c f: g(a);  =>  ; [2]");
  EXPECT_EQ(mutants[2].Name(), "f.c h: g(a);  =>  ;");
}

TEST(Operators, ALineIsNamedByItsFunctionAndPutIntoTheText) {
  const std::string text =
      "static int\nf(int a,\n  int b)\n{\n    g(a);\n}\n\nint h(void)\n{\n    k();\n}\n";
  const std::vector<Mutant> mutants = MakeMutants("d/f.c", text);
  ASSERT_EQ(mutants.size(), 2u);
  EXPECT_EQ(mutants[0].Name(), "d/f.c f: g(a);  =>  ;");
  EXPECT_EQ(mutants[1].function, "h");
  EXPECT_EQ(mutants[1].line, 10);
  EXPECT_EQ(Apply(mutants[0], text),
            "static int\nf(int a,\n  int b)\n{\n    ;\n}\n\nint h(void)\n{\n    k();\n}\n");
  EXPECT_TRUE(Throws<std::runtime_error>("d/f.c:5: it is another line",
                                         [&] { Apply(mutants[0], "int f(void)\n{\n}\n"); }));
}

}  // namespace
}  // namespace stx
