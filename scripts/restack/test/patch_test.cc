// SPDX-License-Identifier: GPL-2.0-or-later
// Parsing and printing: every byte comes back.
#include "restack/patch.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <optional>

#include "restack/apply.h"
#include "restack/dep3.h"
#include "restack/folder.h"
#include "restack/packed.h"
#include "restack/series.h"

namespace restack {
namespace {

void ExpectRoundTrip(const std::string& bytes, size_t files, size_t hunks) {
  Result<Patch> patch = ParsePatch(bytes, "test.patch");
  ASSERT_TRUE(patch) << patch.error().message;
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
    ASSERT_TRUE(tree) << tree.error().message;
    ++packages;
    for (const auto& [path, file] : (*tree)->changes()) {
      std::string name(BaseName(path));
      if (!StartsWith(path, "patches/") || name.find("series") != std::string::npos || !file)
        continue;
      Result<Patch> patch = ReadPatch(file->text.bytes(), path);
      ASSERT_TRUE(patch) << entry.path() << ": " << patch.error().message;
      EXPECT_TRUE(Print(*patch) == file->text.bytes()) << entry.path() << ": " << path;
      ++patches;
    }
  }
  if (packages == 0)
    GTEST_SKIP() << "no source packages in cache/packages: scripts/step/bases fetches them";
  RecordProperty("patches", static_cast<int>(patches));
  EXPECT_GT(patches, 0u);
}

/// What quilt makes of a file of ten lines, "line 1" to "line 10", with GNU patch 2.7 and fuzz 0.
constexpr const char* kTen =
    "line 1\nline 2\nline 3\nline 4\nline 5\nline 6\nline 7\nline 8\nline 9\nline 10\n";
constexpr const char* kMine =
    "line 1\nline 2\nline 3\nline 4\nline 5\nnew\nline 6\nline 7\nline 8\nline 9\nline 10\n";
const std::string kHunk =
    "@@ -4,4 +4,5 @@\n line 4\n line 5\n+new\n line 6\n line 7\n";

struct Dialect {
  const char* shows;
  std::string patch, file, before;
  std::optional<std::string> after;  ///< none: the file is gone
  int strip = 1;
};

TEST(Patch, AppliesAsGnuPatchDoes) {
  const std::string names = "--- a/f\n+++ b/f\n";
  const std::vector<Dialect> dialects = {
      {"a date behind spaces", "--- a/f 2020-01-01 00:00:00.0 +0000\n+++ b/f 2020-01-02\n" + kHunk,
       "f", kTen, kMine},
      {"a date behind a tab and a space in the name", "--- a/my f\t2020\n+++ b/my f\t2020\n" + kHunk,
       "my f", kTen, kMine},
      {"git's quotes", "--- \"a/\\303\\251\\a\\t\"\n+++ \"b/\\303\\251\\a\\t\"\n" + kHunk,
       "\xc3\xa9\a\t", kTen, kMine},
      {"a byte order mark hides one name of two", "\xef\xbb\xbf" + names + kHunk, "f", kTen, kMine},
      {"indented", "  --- a/f\n  +++ b/f\n  @@ -5 +5,2 @@\n   line 5\n  +new\n", "f",
       "line 5\n", "line 5\nnew\n"},
      {"CRLF headers and an LF file",
       "--- a/f\r\n+++ b/f\r\n@@ -1 +1,2 @@\r\n one\r\n+two\r\n", "f", "one\n", "one\ntwo\n"},
      {"only the lines of the file end in CRLF", names + "@@ -1 +1,2 @@\n one\r\n+two\r\n", "f",
       "one\r\n", "one\r\ntwo\r\n"},
      {"any byte", names + "@@ -1,2 +1,3 @@\n \xfc\x01\n+\xff\xfe\n b\n", "f", "\xfc\x01\nb\n",
       "\xfc\x01\n\xff\xfe\nb\n"},
      {"the space of an empty context line is gone", names + "@@ -1,3 +1,4 @@\n a\n\n+x\n b\n", "f",
       "a\n\nb\n", "a\n\nx\nb\n"},
      {"the last empty context lines are gone", names + "@@ -1,4 +1,5 @@\n a\n+x\n b\n", "f",
       "a\nb\n\n\n", "a\nx\nb\n\n\n"},
      {"a comment within a hunk", names + "@@ -1,2 +1,3 @@\n a\n# why\n+x\n b\n", "f", "a\nb\n",
       "a\nx\nb\n"},
      {"no space before the section", names + "@@ -4,4 +4,5 @@f()" + kHunk.substr(15), "f", kTen,
       kMine},
      {"numbers far off", names + "@@ -904,4 +904,5 @@" + kHunk.substr(15), "f", kTen, kMine},
      {"only an Index: line names it", "Index: x/f\n===\n--- /dev/null\n+++ /dev/null\n" + kHunk, "f",
       kTen, kMine},
      {"the other name has another folder", "--- x/g/f\n+++ y/f\n" + kHunk, "f", kTen, kMine},
      {"created by its date, in any zone",
       "--- a/n\t1969-12-31 19:00:00.000000000 -0500\n+++ b/n\t2020-01-01\n@@ -0,0 +1 @@\n+n\n", "n",
       "", "n\n"},
      {"created without a date", "--- a/n\n+++ b/n\n@@ -0,0 +1 @@\n+n\n", "n", "", "n\n"},
      {"created by git", "diff --git a/n b/n\nnew file mode 100755\nindex 0000000..e69de29\n", "n", "",
       ""},
      {"deleted by its date",
       "--- a/f\t2020-01-01\n+++ b/f\tThu Jan  1 01:00:00 1970\n@@ -1 +0,0 @@\n-one\n", "f", "one\n",
       std::nullopt},
      {"emptied, not deleted", names + "@@ -1 +0,0 @@\n-one\n", "f", "one\n", ""},
      {"a date of 1970 on both sides deletes nothing that is left",
       "--- a/f\t1970-01-01\n+++ b/f\t1970-01-01\n" + kHunk, "f", kTen, kMine},
      {"a normal diff", "Index: x/f\n5a6\n> new\n", "f", kTen, kMine},
      {"a normal diff that changes and deletes", "Index: x/f\n1c1\n< a\n---\n> A\n3d2\n< c\n", "f",
       "a\nb\nc\n", "A\nb\n"},
      {"an old context diff without its new side",
       "*** a/f\n--- b/f\n***************\n*** 1,3 ****\n  a\n- b\n  c\n--- 1,2 ----\n", "f",
       "a\nb\nc\n", "a\nc\n"},
      {"lines behind the last one of a file without a newline",
       names + "@@ -1 +1,2 @@\n a\n\\ No newline at end of file\n+b\n", "f", "a", "a\nb\n"},
      {"quoted by a mail", "- --- a/f\t2020\n- +++ b/f\t2020\n@@ -1 +1,2 @@\n one\n+two\n", "f",
       "one\n", "one\ntwo\n"},
  };
  for (const Dialect& it : dialects) {
    SCOPED_TRACE(it.shows);
    Result<Patch> patch = ParsePatch(it.patch, "t");
    ASSERT_TRUE(patch) << patch.error().message;
    EXPECT_EQ(Print(*patch), it.patch);
    MemoryTree tree;
    if (!it.before.empty()) tree.Write(it.file, {Text(it.before), 0100644});
    Result<void> done = ApplyPatch(*patch, it.strip, tree);
    ASSERT_TRUE(done) << done.error().message;
    Result<std::optional<TreeFile>> file = tree.Read(it.file);
    ASSERT_EQ((*file).has_value(), it.after.has_value());
    if (it.after) {
      EXPECT_EQ((*file)->text.bytes(), *it.after);
    }
    EXPECT_LE(tree.changes().size(), 1u) << "nothing else is touched";
  }
}

TEST(Patch, RefusesWhatGnuPatchRefuses) {
  const std::string names = "--- a/f\n+++ b/f\n";
  const std::vector<std::pair<const char*, std::string>> patches = {
      {"less context than its numbers say", names + "@@ -4,3 +4,4 @@" + kHunk.substr(15)},
      {"CRLF headers and a CRLF file would need --binary",
       "--- a/c\r\n+++ b/c\r\n@@ -1 +1,2 @@\r\n one\r\n+two\r\n"},
      {"it makes what is there", "--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+x\n"},
      {"it deletes less than there is", "--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-line 1\n"},
      {"the name has too few folders", "--- f\n+++ f\n" + kHunk},
      {"a name with a space that git did not quote",
       "diff --git a/my f b/my f\nold mode 100644\nnew mode 100755\n"},
      {"a git binary patch",
       "diff --git a/f b/f\nindex 1111111..2222222 100644\nGIT binary patch\nliteral 1\nIcmZPo0001\n\n"},
      {"another type of file", "diff --git a/f b/f\nold mode 100644\nnew mode 120000\n"},
      {"a rename of what is not there",
       "diff --git a/x b/y\nsimilarity index 100%\nrename from x\nrename to y\n"},
  };
  for (const auto& [shows, bytes] : patches) {
    SCOPED_TRACE(shows);
    Result<Patch> patch = ParsePatch(bytes, "t");
    ASSERT_TRUE(patch) << patch.error().message;
    EXPECT_EQ(Print(*patch), bytes);
    MemoryTree tree;
    tree.Write("f", {Text(kTen), 0100644});
    tree.Write("c", {Text("one\r\n"), 0100644});
    EXPECT_FALSE(ApplyPatch(*patch, 1, tree));
  }
}

TEST(Packed, AnUnchangedTextIsPackedAlike) {
  for (const char* name : {"a.gz", "a.bz2", "a.xz", "a.lzma", "a.lz", "a.patch"}) {
    SCOPED_TRACE(name);
    Result<std::string> packed = Pack(name, kTen), again = Pack(name, kTen);
    ASSERT_TRUE(packed) << packed.error().message;
    EXPECT_EQ(*packed, *again);
    Result<std::string> text = Unpack(name, *packed);
    ASSERT_TRUE(text) << text.error().message;
    EXPECT_EQ(*text, kTen);
  }
  EXPECT_FALSE(Unpack("a.gz", "no gzip"));
}

TEST(Patch, SaysWhichLineIsWrong) {
  Result<Patch> patch = ParsePatch("--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n a\n-b\n", "cut.patch");
  ASSERT_FALSE(patch);
  EXPECT_EQ(patch.error().message, "cut.patch:3: the file ends within this hunk");
  patch = ParsePatch("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\nb\n", "odd.patch");
  ASSERT_FALSE(patch);
  EXPECT_NE(patch.error().message.find("odd.patch:5:"), std::string::npos);
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

TEST(Series, KeepsOptionsAndComments) {
  std::string bytes = "# top\n\na#1.patch -p0\nb.patch -p 2 -R # why\n  c.patch";
  Result<SeriesFile> series = ParseSeries(bytes, "series");
  ASSERT_TRUE(series) << series.error().message;
  EXPECT_EQ(Print(*series), bytes);
  ASSERT_EQ(series->entries.size(), 5u);
  EXPECT_EQ(series->entries[2].patch, "a#1.patch");
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
