// SPDX-License-Identifier: GPL-2.0-or-later
// Parsing and printing: every byte comes back.
#include "restack/patch.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "restack/apply.h"
#include "restack/dep3.h"
#include "restack/series.h"

namespace restack {
namespace {

void ExpectRoundTrip(const std::string& bytes, size_t files, size_t hunks) {
  Result<Patch> patch = ParsePatch(bytes, "test.patch");
  ASSERT_TRUE(patch) << patch.error().sentence;
  EXPECT_EQ(Print(*patch), bytes);
  size_t count = 0;
  for (const FileChange& file : patch->files) count += file.hunks.size();
  EXPECT_EQ(patch->files.size(), files);
  EXPECT_EQ(count, hunks);
}

TEST(Patch, KeepsTextBeforeBetweenAndAfter) {
  ExpectRoundTrip(
      "Description: x\n--- not a header\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n# between\nIndex: "
      "y\n====\n"
      "--- a/y\t2020-01-01\n+++ b/y\t2020-01-02\n@@ -1,2 +1,2 @@ f()\n \n-c\n+d\n-- \n2.39\n",
      2, 2);
}

TEST(Patch, KeepsCrlfStrippedContextAndMissingNewlines) {
  ExpectRoundTrip(
      "--- a/x\r\n+++ b/x\r\n@@ -1,3 +1,3 @@\r\n a\r\n\n-b\n\\ No newline at end of file\n+c\n\\ "
      "Kein Zeilenumbruch\n",
      1, 1);
}

TEST(Patch, ReadsGitHeaders) {
  std::string bytes =
      "From 1234 Mon Sep 17 00:00:00 2001\nSubject: [PATCH 1/2] t\n\n---\n x | 1 +\n\n"
      "diff --git a/old b/new\nsimilarity index 90%\nrename from old\nrename to new\nindex "
      "1234567..89abcde 100644\n"
      "--- a/old\n+++ b/new\n@@ -1 +1 @@\n-a\n+b\n"
      "diff --git a/run b/run\nold mode 100644\nnew mode 100755\n"
      "diff --git a/e b/e\nnew file mode 100644\nindex 0000000..e69de29\n"
      "diff --git a/p.bin b/p.bin\nindex 1..2 100644\nGIT binary patch\nliteral "
      "3\nKcmZ?\n\nliteral 0\nHcmV?d\n\n-- \n2.39.2\n";
  ExpectRoundTrip(bytes, 4, 1);
  Result<Patch> patch = ParsePatch(bytes, "t");
  EXPECT_EQ(patch->files[0].kind, FileChange::Kind::kRename);
  EXPECT_EQ(patch->files[0].OldPath(), "old");
  EXPECT_EQ(patch->files[0].Path(), "new");
  EXPECT_EQ(patch->files[0].old_id, "1234567");
  EXPECT_EQ(patch->files[1].new_mode, 0100755u);
  EXPECT_EQ(patch->files[1].Path(), "run");
  EXPECT_EQ(patch->files[2].kind, FileChange::Kind::kCreate);
  EXPECT_FALSE(patch->files[3].binary.empty());
}

TEST(Patch, EveryPatchOfDebiansPackagesComesBack) {
  size_t patches = 0, packages = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(
           std::string(std::getenv("REPOSITORY")) + "/cache/packages", error)) {
    if (entry.path().string().find(".debian.tar.") == std::string::npos) continue;
    Result<std::shared_ptr<MemoryTree>> tree = ReadTarball(entry.path());
    ASSERT_TRUE(tree) << tree.error().sentence;
    ++packages;
    for (const auto& [path, file] : (*tree)->changes()) {
      std::string name(BaseName(path));
      if (!StartsWith(path, "patches/") || name.find("series") != std::string::npos || !file)
        continue;
      Result<Patch> patch = ParsePatch(file->text.bytes(), path);
      ASSERT_TRUE(patch) << entry.path() << ": " << patch.error().sentence;
      EXPECT_TRUE(Print(*patch) == file->text.bytes()) << entry.path() << ": " << path;
      ++patches;
    }
  }
  if (packages == 0)
    GTEST_SKIP() << "no source packages in cache/packages: scripts/step/bases fetches them";
  RecordProperty("patches", static_cast<int>(patches));
  EXPECT_GT(patches, 0u);
}

TEST(Patch, SaysWhichLineIsWrong) {
  Result<Patch> patch = ParsePatch("--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n a\n-b\n", "cut.patch");
  ASSERT_FALSE(patch);
  EXPECT_EQ(patch.error().sentence, "cut.patch:3: the file ends within this hunk");
  patch = ParsePatch("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\nb\n", "odd.patch");
  ASSERT_FALSE(patch);
  EXPECT_NE(patch.error().sentence.find("odd.patch:5:"), std::string::npos);
}

TEST(Patch, ReversedUndoes) {
  Result<Patch> patch = ParsePatch("--- a/x\n+++ b/x\n@@ -1,3 +1,4 @@\n a\n-b\n+c\n+d\n e\n", "t");
  ASSERT_TRUE(patch);
  MemoryTree tree;
  tree.Write("x", {Text("a\nb\ne\n"), 0100644});
  ASSERT_TRUE(ApplyPatch(*patch, 1, tree));
  EXPECT_EQ((*tree.Read("x"))->text.bytes(), "a\nc\nd\ne\n");
  ASSERT_TRUE(ApplyPatch(Reversed(*patch), 1, tree));
  EXPECT_EQ((*tree.Read("x"))->text.bytes(), "a\nb\ne\n");
}

TEST(Series, KeepsOptionsCommentsAndGuards) {
  std::string bytes = "# top\n\na.patch -p0\n+guard b.patch -p 2 -R # why\n  c.patch";
  Result<SeriesFile> series = ParseSeries(bytes, "series");
  ASSERT_TRUE(series) << series.error().sentence;
  EXPECT_EQ(Print(*series), bytes);
  ASSERT_EQ(series->entries.size(), 5u);
  EXPECT_EQ(series->entries[2].strip, 0);
  EXPECT_EQ(series->entries[3].patch, "b.patch");
  EXPECT_EQ(series->entries[3].strip, 2);
  EXPECT_TRUE(series->entries[3].reverse);
  EXPECT_FALSE(ParseSeries("a.patch -z\n", "series"));
}

TEST(Dep3, ReadsFieldsAndChangesOne) {
  std::string head = "Description: one\n two\n .\n three\nOrigin: vendor\nApplies-To: 1\n\ntext\n";
  Dep3 dep3 = ParseDep3(head);
  EXPECT_EQ(dep3.Find("description")->value, "one\ntwo\n\nthree");
  EXPECT_EQ(dep3.Summary(), "one");
  EXPECT_EQ(SetField(head, "Applies-To", "2"),
            "Description: one\n two\n .\n three\nOrigin: vendor\nApplies-To: 2\n\ntext\n");
  EXPECT_EQ(SetField(head, "Nope", "2"), head);
}

}  // namespace
}  // namespace restack
