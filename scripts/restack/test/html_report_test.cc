// SPDX-License-Identifier: GPL-2.0-or-later
// The report's page: what is in it, and what of a patch can never be in it as HTML.
#include "restack/html_report.h"

#include <gtest/gtest.h>

#include <cstring>

namespace restack {
namespace {

constexpr const char* kEvil = "<script>alert('&\"')</script>";

SeriesVerdict Verdict() {
  HunkVerdict exact;
  exact.number = 1;
  exact.file = exact.target = "hw/a.c";
  exact.line = 7;
  exact.grade = Grade::kExact;
  exact.check = Check::kPassed;
  exact.reason = "every line of its context is there";
  exact.before = "@@ -1,2 +1,3 @@\n a\n+exact text\n b\n";
  HunkVerdict moved = exact;
  moved.number = 2;
  moved.grade = Grade::kMerged;
  moved.before = "@@ -10,2 +10,3 @@\n old above\n+mine\n below\n";
  moved.after = "@@ -20,2 +20,3 @@\n new above\n+mine\n below\n";
  HunkVerdict broken = moved;
  broken.number = 3;
  broken.check = Check::kFailed;
  broken.check_says = std::string("hw/a.c:30: error: ") + kEvil;
  HunkVerdict conflict;
  conflict.number = 4;
  conflict.file = std::string("hw/") + kEvil + ".c";
  conflict.reason = kEvil;
  conflict.before = std::string("@@ -1 +1 @@\n-x\n+") + kEvil + "\n";
  PatchVerdict patch;
  patch.name = std::string(kEvil) + ".patch";
  patch.summary = kEvil;
  patch.notes = {kEvil};
  patch.hunks = {exact, moved, broken, conflict};
  SeriesVerdict verdict;
  verdict.base = kEvil;
  verdict.target = std::string("target ") + kEvil;
  verdict.patches = {patch};
  verdict.files = {{"softmmu/x.c", "system/x.c", kEvil}, {kEvil, "", kEvil}};
  verdict.functions = {{kEvil, kEvil, kEvil}};
  return verdict;
}

size_t CountOf(const std::string& text, const std::string& what) {
  size_t count = 0;
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += what.size()) ++count;
  return count;
}

TEST(HtmlReport, NothingOfAPatchIsHtml) {
  std::string page = HtmlReport({Verdict()});
  EXPECT_EQ(CountOf(page, "<script"), 0u);
  EXPECT_EQ(CountOf(page, "alert('"), 0u) << "no quote gets into an attribute";
  EXPECT_GT(CountOf(page, "&lt;script&gt;alert(&#39;&amp;&quot;&#39;)&lt;/script&gt;"), 10u);
  EXPECT_NE(page.find("Content-Security-Policy\" content=\"default-src 'none'"), std::string::npos);
}

TEST(HtmlReport, NeedsNothingFromOutside) {
  std::string page = HtmlReport({Verdict()});
  for (const char* word : {"http:", "https:", "src=", "url(", "@import", "<link", "<img"})
    EXPECT_EQ(CountOf(page, word), 0u) << word;
}

TEST(HtmlReport, EachHunkIsReachedFromTheGlance) {
  std::string page = HtmlReport({Verdict(), Verdict()});
  for (const char* id : {"t0p0h0", "t0p0h3", "t1p0h2"}) {
    EXPECT_EQ(CountOf(page, std::string("href=\"#") + id + "\""), 1u) << id;
    EXPECT_EQ(CountOf(page, std::string(" id=\"") + id + "\""), 1u) << id;
  }
  EXPECT_EQ(
      CountOf(
          page,
          "4 hunks: 2 landed, 0 upstream, <strong>2 for a person</strong> (1 landed but broken)"),
      4u);
}

TEST(HtmlReport, SidesStandBesideEachOtherWhereTheyDiffer) {
  std::string page = HtmlReport({Verdict()});
  EXPECT_NE(page.find("<tr class=\"other\"><td> old above</td><td> new above</td></tr>\n"
                      "<tr><td class=\"add\">+mine</td><td class=\"add\">+mine</td></tr>\n"
                      "<tr><td> below</td><td> below</td></tr>"),
            std::string::npos);
  EXPECT_EQ(page.find("exact text"), std::string::npos) << "an exact hunk is as it was";
}

TEST(HtmlReport, BytesThatAreNoTextAreShownAsSuch) {
  SeriesVerdict verdict = Verdict();
  verdict.patches[0].summary = std::string("a\0b\xff\xc0\xaf\xed\xa0\x80", 8) + "\xc3\xa4";
  std::string page = HtmlReport({verdict});
  EXPECT_EQ(page.find('\0'), std::string::npos);
  EXPECT_EQ(page.find('\xff'), std::string::npos);
  EXPECT_EQ(page.find('\xc0'), std::string::npos);
  EXPECT_EQ(page.find('\xed'), std::string::npos);
  EXPECT_NE(page.find("\xc3\xa4"), std::string::npos);
}

TEST(HtmlReport, PatchThatOneTargetDoesNotHave) {
  SeriesVerdict first = Verdict(), second = Verdict();
  second.patches[0].name = "other.patch";
  EXPECT_EQ(CountOf(HtmlReport({first, second}), "not in it"), 2u);
}

}  // namespace
}  // namespace restack
