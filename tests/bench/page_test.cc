// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench/page.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "base/os.h"
#include "base/throws.h"
#include "bench/chart.h"
#include "bench/sample_results.h"

namespace stx {
namespace {

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

Results MakeResults() {
  Results results = MakeSampleResults();
  results.Add("start: instructions", "M", "debian", 100);
  results.Add("start: instructions", "M", "kata", 20);
  results.breakdown("kata").functions = {{"main", 1000000, 20000000}};
  results.breakdown("kata").memory = {{"heap", 3 << 20}};
  return results;
}

Results MakeHardening() {
  Results results({"kata", "without-pie"});
  results.Add("start: instructions", "M", "kata", 20);
  results.Add("start: instructions", "M", "without-pie", 15);
  return results;
}

TEST(Page, GoalsAreMetOrSayWhatIsLeft) {
  const Page page = MakePage(MakeResults(), MakeHardening(),
                             {{"start: CPU time", 0.35, "page faults"},
                              {"start: instructions", 0.3, "linking"},
                              {"start: PSS", 0.4, "libraries"}},
                             "a machine", {{"debian", "7.2"}, {"kata", "7.2 too"}}, "charts");
  EXPECT_TRUE(Has(page.markdown, "| start: CPU time | 0.35 | 0.50 | **not met** | page faults |"))
      << page.markdown;
  EXPECT_TRUE(Has(page.markdown, "| start: instructions | 0.30 | 0.20 | met |  |"));
  EXPECT_TRUE(Has(page.markdown, "| start: PSS | 0.40 | - | not measured | libraries |"));
  EXPECT_TRUE(Has(page.markdown, "| CPU time, ms | 50.0 ± 5.00 | 25.0 ± 2.50 | 0.50 |"));
  EXPECT_TRUE(Has(page.markdown, "| `main` | 20.0 | 100 % | 1.00 |"));
  EXPECT_TRUE(Has(page.markdown, "| heap | 0 | 3.00 |"));
  EXPECT_TRUE(Has(page.markdown,
                  "| | kata | without-pie | ratio |\n|---|---|---|---|\n"
                  "| instructions, M | 20.0 | 15.0 | 0.75 |\n"));
  EXPECT_TRUE(Has(page.markdown, "(charts/start.svg)"));
  EXPECT_TRUE(Has(page.markdown, "- The binary alone: not in this run.\n"));
  EXPECT_EQ(page.charts.size(), 1u) << "groups that were not measured have none";
}

TEST(Page, GoalsAreReadAndOtherLinesRefused) {
  TempDir dir;
  const auto file = dir / "goals.txt";
  WriteFile(file, "# comment\nstart: CPU time: 0.35: faults: many\n");
  const std::vector<Goal> goals = ReadGoals(file);
  ASSERT_EQ(goals.size(), 1u);
  EXPECT_EQ(goals[0].row, "start: CPU time");
  EXPECT_EQ(goals[0].ratio, 0.35);
  EXPECT_EQ(goals[0].left, "faults: many");
  for (const char* wrong : {"start", "start: x", "start: x: 0.3", "start: x: y: z"}) {
    WriteFile(file, "\n" + std::string(wrong) + "\n");
    EXPECT_TRUE(Throws<std::runtime_error>("goals.txt:2: ", [&] { ReadGoals(file); })) << wrong;
  }
}

TEST(Chart, BarsAreAsLongAsTheirValues) {
  Chart chart{"A <title>", {"host", "kata"}, {}};
  chart.groups.push_back({"row", {Bar{1, 1, 1}, Bar{0.5, 0.4, 0.6}}, 0.25});
  const std::string svg = DrawChart(chart);
  EXPECT_TRUE(Has(svg, "A &lt;title>"));
  // The axis is 510 wide and ends at 1.25.
  EXPECT_TRUE(Has(svg, "width=\"408.0\"")) << svg;
  EXPECT_TRUE(Has(svg, "width=\"204.0\""));
  EXPECT_TRUE(Has(svg, "x1=\"413.2\" x2=\"494.8\"")) << "the whisker";
  EXPECT_TRUE(Has(svg, "x1=\"352.0\" x2=\"352.0\"")) << "the goal";
  EXPECT_TRUE(Throws<std::invalid_argument>("without groups", [] { DrawChart({}); }));
}

}  // namespace
}  // namespace stx
