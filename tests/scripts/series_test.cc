// SPDX-License-Identifier: GPL-2.0-or-later
// scripts/step/tree: a series that does not apply, and edits that it would lose.
#include <gtest/gtest.h>

#include "scripts/clone.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

/// A clone whose tree is made with patch "good" (hw/1.c).
class Series : public testing::Test {
 protected:
  Series() {
    clone_.WritePatch("good", {{1, "II"}});
    clone_.WriteSeries("good\n");
    RunResult result = clone_.Step("tree");
    EXPECT_TRUE(result.status.Success()) << result.err;
    before_ = Tree();
  }
  std::map<std::string, std::string> Tree() const { return Content(clone_ / "qemu-7.2/tree"); }
  /// The step exits with `code`, prints all of `words`, and changes nothing.
  void ExpectRefused(const std::vector<std::string>& words, int code = 1) {
    RunResult result = clone_.Step("tree");
    EXPECT_EQ(result.status.code, code);
    for (const std::string& word : words)
      EXPECT_NE(result.err.find(word), std::string::npos) << word << " is not in: " << result.err;
    EXPECT_EQ(Difference(Tree(), before_), "");
    EXPECT_FALSE(fs::exists(clone_ / "qemu-7.2/tree.new"));
  }
  void ExpectMade(const std::string& file, const std::string& second_line) {
    RunResult result = clone_.Step("tree");
    EXPECT_TRUE(result.status.Success()) << result.err;
    EXPECT_EQ(ReadFile(clone_ / ("qemu-7.2/tree/" + file)).substr(0, 5 + second_line.size()),
              "one\n" + second_line + "\n");
  }

  Clone clone_;
  std::map<std::string, std::string> before_;
};

TEST_F(Series, APatchThatDoesNotApplyIsNamedWithFileAndHunk) {
  clone_.WritePatch("bad", {{2, "zwei"}, {1, "zwei"}});
  clone_.WriteSeries("good\nbad\n");
  ExpectRefused({"bad: hw/1.c: Hunk #1 FAILED at 1", "does not apply"});
  clone_.WritePatch("bad", {{2, "zwei"}, {1, "zwei", "II"}});
  ExpectMade("hw/1.c", "zwei");
}

TEST_F(Series, FuzzIsNoApplying) {
  // The context of hw/3.c after "good" differs from that in the patch, so patch(1) would need fuzz.
  clone_.WritePatch("bad", {{1, "zwei", "II"}});
  std::string patch = ReadFile(clone_ / "patches/bad");
  WriteFile(clone_ / "patches/bad", patch.replace(patch.find(" one"), 4, " ONE"));
  clone_.WriteSeries("good\nbad\n");
  ExpectRefused({"bad: hw/1.c: Hunk #1 FAILED at 1", "fuzz 0"});
}

TEST_F(Series, AFileThatTheBaseDoesNotHaveIsNamed) {
  clone_.WritePatch("bad", {{Archive::kSources, "II"}});
  clone_.WriteSeries("good\nbad\n");
  ExpectRefused({"bad: hw/" + std::to_string(Archive::kSources) + ".c: No file to patch"});
  clone_.WriteSeries("good\n");
  ExpectMade("hw/1.c", "II");
}

TEST_F(Series, APatchThatCannotBeReadIsNamed) {
  WriteFile(clone_ / "patches/bad", "--- a/hw/2.c\n+++ b/hw/2.c\n@@ -1,3 +1,3 @@\n one\n");
  clone_.WriteSeries("bad\n");
  ExpectRefused({"bad: ", "malformed patch"});
  WriteFile(clone_ / "patches/bad", "not a patch\n");
  ExpectRefused({"bad: ", "Only garbage was found"});
  clone_.WriteSeries("good # again\n");
  ExpectMade("hw/1.c", "II");
}

TEST_F(Series, ANameWithoutAFileIsNamed) {
  clone_.WriteSeries("good\nabsent.patch\n");
  ExpectRefused({"patches/series names absent.patch, which does not exist"}, 2);
  clone_.WritePatch("absent.patch", {{2, "zwei"}});
  ExpectMade("hw/2.c", "zwei");
}

TEST_F(Series, EditsByHandAreNotLost) {
  const fs::path edited = clone_ / "qemu-7.2/tree/hw/1.c", other = clone_ / "qemu-7.2/tree/hw/7.c";
  WriteFile(edited, "by hand\n");
  WriteFile(other, "by hand\n");
  before_ = Tree();
  clone_.WritePatch("good", {{1, "zwei"}});
  ExpectRefused({"edits that the series does not have", "hw/1.c", "hw/7.c"});
  fs::copy_file(clone_ / "qemu-7.2/plain/hw/7.c", other, fs::copy_options::overwrite_existing);
  before_ = Tree();
  ExpectRefused({"hw/1.c"});
  fs::copy_file(clone_ / "qemu-7.2/plain/hw/1.c", edited, fs::copy_options::overwrite_existing);
  std::string text = ReadFile(edited);
  WriteFile(edited, text.replace(text.find("two"), 3, "zwei"));  // the result of the series
  ExpectMade("hw/1.c", "zwei");
}

TEST_F(Series, OnlyWhatChangesIsTouched) {
  const fs::path one = clone_ / "qemu-7.2/tree/hw/1.c", two = clone_ / "qemu-7.2/tree/hw/2.c";
  const auto one_before = fs::last_write_time(one), two_before = fs::last_write_time(two);
  clone_.WritePatch("more", {{2, "zwei"}});
  clone_.WriteSeries("good\nmore\n");
  ExpectMade("hw/2.c", "zwei");
  EXPECT_EQ(fs::last_write_time(one), one_before);
  EXPECT_GT(fs::last_write_time(two), two_before);
  // When the patch is dropped, its file is the base's again, and newer than what was built from it.
  const auto patched = fs::last_write_time(two);
  clone_.WriteSeries("good\n");
  ExpectMade("hw/2.c", "two");
  EXPECT_GT(fs::last_write_time(two), patched);
  EXPECT_EQ(fs::last_write_time(one), one_before);
}

TEST_F(Series, WhatIsDeletedComesBack) {
  fs::remove_all(clone_ / "qemu-7.2/tree");
  ExpectMade("hw/1.c", "II");
  fs::remove_all(clone_ / "qemu-7.2/plain");
  fs::remove_all(clone_ / "qemu-7.2/tree");
  ExpectMade("hw/1.c", "II");
  EXPECT_EQ(Difference(Tree(), before_), "");
}

TEST_F(Series, AnEmptySeriesIsTheBase) {
  clone_.WriteSeries("# nothing\n");
  ExpectMade("hw/1.c", "two");
  EXPECT_EQ(Difference(Tree(), Content(clone_ / "qemu-7.2/plain")), "");
}

}  // namespace
}  // namespace stx
