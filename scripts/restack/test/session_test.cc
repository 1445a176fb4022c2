// SPDX-License-Identifier: GPL-2.0-or-later
// The command on a small series in a temporary folder: conflict, edit, continue, undo, and being
// killed.
#include "session_fixture.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "restack/packed.h"

namespace restack {
namespace {

TEST_F(SessionTest, ConflictEditContinueUndo) {
  auto before = Patches();
  ASSERT_EQ(Run(Rebase()), 1) << said_;
  EXPECT_EQ(Patches(), before);
  EXPECT_EQ(Run({"status"}), 1);
  EXPECT_EQ(Run({"continue"}), 2);
  EXPECT_NE(said_.find("work/f.c:"), std::string::npos) << said_;
  EXPECT_NE(said_.find("a conflict marker is left"), std::string::npos) << said_;
  EXPECT_EQ(Patches(), before);
  Put("patches.restack/work/f.c", "int f(void)\n{\n    eins();\n    zwei(2);\n    three();\n}\n");
  ASSERT_EQ(Run({"continue"}), 0) << said_ << Get("stdout");
  EXPECT_NE(Get("patches/b.patch").find("+    zwei(2);"), std::string::npos);
  EXPECT_EQ(Get("patches/series"), "a.patch # first\n# a comment\nb.patch\n");
  EXPECT_NE(fs::status(folder_ / "patches/a.patch").permissions() & fs::perms::owner_exec,
            fs::perms::none);
  ASSERT_EQ(Run({"undo"}), 0) << said_;
  EXPECT_EQ(Patches(), before);
  EXPECT_FALSE(fs::exists(folder_ / "patches.restack"));
}

TEST_F(SessionTest, EditIsRemembered) {
  std::vector<std::string> rebase = Rebase();
  rebase.insert(rebase.end(), {"--output", (folder_ / "out").string()});
  ASSERT_EQ(Run(rebase), 1);
  Put("out.restack/work/f.c", "int f(void)\n{\n    eins();\n    zwei(2);\n    three();\n}\n");
  Put("out.restack/work/extra.c", "int extra;\n");  // a file that the patch did not touch
  ASSERT_EQ(Run({"continue", "--output", (folder_ / "out").string()}), 0) << said_;
  std::string made = Get("out/b.patch");
  EXPECT_NE(made.find("+int extra;"), std::string::npos);
  ASSERT_EQ(Run(rebase), 0) << said_;
  EXPECT_EQ(Get("out/b.patch"), made);
  // Opened again and left alone, nothing is lost.
  rebase.insert(rebase.end(), {"--open", "b.patch"});
  ASSERT_EQ(Run(rebase), 1) << said_;
  Put("out.restack/work/f.c", Get("out.restack/work/f.c") + "/* more */\n");
  ASSERT_EQ(Run({"continue", "--output", (folder_ / "out").string()}), 0) << said_;
  EXPECT_NE(Get("out/b.patch").find("+int extra;"), std::string::npos);
  EXPECT_NE(Get("out/b.patch").find("+/* more */"), std::string::npos);
}

TEST_F(SessionTest, GivenUpLeavesNothing) {
  auto before = Patches();
  ASSERT_EQ(Run(Rebase()), 1);
  ASSERT_EQ(Run({"undo"}), 0);
  EXPECT_FALSE(fs::exists(folder_ / "patches.restack"));
  EXPECT_EQ(Patches(), before);
}

// Killed after a growing time, at many points: the series is the old one or, once the rebase has
// ended, the new one whole; undo always gives the old one back.
TEST_F(SessionTest, KilledAnywhereTheSeriesIsWhole) {
  Put("target/f.c", "int f(void)\n{\n    one();\n    two();\n    three();\n    four();\n}\n");
  auto before = Patches();
  ASSERT_EQ(Run(Rebase()), 0) << said_;
  auto after = Patches();
  ASSERT_NE(before, after);
  ASSERT_EQ(Run({"undo"}), 0);
  int killed = 0;
  for (int microseconds = 0; microseconds < 60000; microseconds += 700) {
    auto argv = Arguments(Rebase());
    stx::Process process(argv, {});
    usleep(static_cast<useconds_t>(microseconds));
    killed += process.Running();
    process.Kill();
    auto now = Patches();
    ASSERT_TRUE(now == before || now == after) << microseconds;
    if (fs::exists(folder_ / "patches.restack/plan.json")) {
      ASSERT_EQ(Run({"undo"}), 0) << said_;
    }
    ASSERT_EQ(Patches(), before) << microseconds;
    fs::remove_all(folder_ / "patches.restack");
  }
  EXPECT_GT(killed, 5);
}

TEST_F(SessionTest, BadInputIsASentence) {
  EXPECT_EQ(Run({"rebase", "--onto", "nothing"}), 2);
  EXPECT_NE(said_.find("nothing: is neither a folder nor a tarball"), std::string::npos) << said_;
  EXPECT_EQ(Run({"rebase", "--onto", "qemu=1"}), 2);
  EXPECT_EQ(Run({"status"}), 2);
  EXPECT_EQ(Run({"undo"}), 2);
  EXPECT_EQ(Run({"frobnicate"}), 2);
  Put("patches/b.patch", "--- a/f.c\n+++ b/f.c\n@@ -1,9 +1,9 @@\n a\n");
  EXPECT_EQ(Run(Rebase()), 2);
  EXPECT_NE(said_.find("b.patch:3:"), std::string::npos) << said_;
  EXPECT_FALSE(fs::exists(folder_ / "patches.restack"));
}

TEST_F(SessionTest, WhatLeadsOutIsRefusedBeforeAnythingIsWritten) {
  std::string out = folder_.filename().string() + ".out";
  for (const char* way : {"b/../../", "b/x/../../../", "b/link/"}) {
    SCOPED_TRACE(way);
    Put("patches/b.patch", "--- /dev/null\n+++ " + (way + out) + "\n@@ -0,0 +1 @@\n+x\n");
    std::error_code error;
    fs::create_symlink(folder_, folder_ / "base/link", error);
    EXPECT_EQ(Run(Rebase()), 2);
    EXPECT_NE(said_.find("leads out of the tree"), std::string::npos) << said_;
    EXPECT_FALSE(fs::exists(folder_ / "patches.restack"));
    EXPECT_EQ(Run({"export", "--base", (folder_ / "base").string(), "--tree",
                   (folder_ / "target").string()}),
              2);
    EXPECT_EQ(Run({"export", "--base", (folder_ / "base").string(), "--git",
                   (folder_ / "repo").string()}),
              2);
    EXPECT_FALSE(fs::exists(folder_ / out));
    EXPECT_FALSE(fs::exists(folder_.parent_path() / out));
    EXPECT_EQ(Get("target/f.c"), "int f(void)\n{\n    one();\n    zwei();\n    three();\n}\n");
  }
}

TEST_F(SessionTest, ATreeIsNotWrittenThroughItsLinks) {
  Put("patches/series", "b.patch\n");
  Put("patches/b.patch", "--- /dev/null\n+++ b/d/n\n@@ -0,0 +1 @@\n+x\n");
  fs::create_symlink(folder_, folder_ / "target/d");
  std::string tree = (folder_ / "target").string(), base = (folder_ / "base").string();
  EXPECT_EQ(Run({"export", "--base", base, "--tree", tree}), 2);
  EXPECT_NE(said_.find("symbolic link"), std::string::npos) << said_;
  EXPECT_FALSE(fs::exists(folder_ / "n"));
  EXPECT_FALSE(fs::exists(folder_ / "target/.restack"));
  Put("patches/b.patch", "--- /dev/null\n+++ b/.git/hooks/x\n@@ -0,0 +1 @@\n+x\n");
  EXPECT_EQ(Run({"export", "--base", base, "--tree", tree}), 2);
  EXPECT_FALSE(fs::exists(folder_ / "target/.git"));
}

TEST_F(SessionTest, ExportedTreeHasModesAndLinks) {
  Put("patches/series", "b.patch\n");
  Put("patches/b.patch",
      "diff --git a/f.c b/f.c\nold mode 100644\nnew mode 100755\n"
      "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+f.c\n"
      "\\ No newline at end of file\n");
  ASSERT_EQ(
      Run({"export", "--base", (folder_ / "base").string(), "--tree", (folder_ / "base").string()}),
      0)
      << said_;
  EXPECT_NE(fs::status(folder_ / "base/f.c").permissions() & fs::perms::owner_exec,
            fs::perms::none);
  EXPECT_EQ(fs::read_symlink(folder_ / "base/l"), "f.c");
}

TEST_F(SessionTest, BytesThatAreNotUtf8) {
  Put("base/f.c", "gr\xfc\xdf\nb\nc\n");
  Put("target/f.c", "gr\xfc\xdf\nB\nc\n");
  Put("patches/series", "a\xe9.patch\n");
  Put("patches/a\xe9.patch",
      "Author: J\xf6rg\n\n--- a/f.c\n+++ b/f.c\n@@ -1,3 +1,3 @@\n gr\xfc\xdf\n-b\n+\xe4\n c\n");
  ASSERT_EQ(Run(Rebase()), 1) << said_;
  EXPECT_EQ(Run({"status"}), 1) << said_;
  EXPECT_EQ(Run({"--json", "status"}), 1) << said_;
  Put("patches.restack/work/f.c", "gr\xfc\xdf\n\xe4\xe4\nc\n");
  ASSERT_EQ(Run({"continue"}), 0) << said_ << Get("stdout");
  EXPECT_NE(Get("patches/a\xe9.patch").find("+\xe4\xe4\n"), std::string::npos);
}

TEST_F(SessionTest, AFileCalledAsThePatchHead) {
  Put("patches/series", "b.patch\n");
  Put("patches/b.patch",
      "Description: b\n--- /dev/null\n+++ b/PATCH-HEAD\n@@ -0,0 +1 @@\n+x\n"
      "--- a/f.c\n+++ b/f.c\n@@ -2,5 +2,5 @@\n {\n     one();\n-    two();\n+    two(2);\n     "
      "three();\n }\n");
  ASSERT_EQ(Run(Rebase()), 1) << said_;
  EXPECT_EQ(Get("patches.restack/work/PATCH-HEAD"), "x\n");
  EXPECT_EQ(Get("patches.restack/work/PATCH-HEAD_"), "Description: b\n");
  Put("patches.restack/work/PATCH-HEAD_", "Description: c\n");
  Put("patches.restack/work/f.c", "int f(void)\n{\n    one();\n    zwei(2);\n    three();\n}\n");
  ASSERT_EQ(Run({"continue"}), 0) << said_ << Get("stdout");
  std::string made = Get("patches/b.patch");
  EXPECT_TRUE(made.starts_with("Description: c\n")) << made;
  EXPECT_NE(made.find("+++ b/PATCH-HEAD\n"), std::string::npos) << made;
}

TEST_F(SessionTest, OneAtATime) {
  fs::create_directories(folder_ / "patches.restack");
  int held = open((folder_ / "patches.restack").c_str(), O_RDONLY | O_DIRECTORY);
  ASSERT_EQ(flock(held, LOCK_EX), 0);
  EXPECT_EQ(Run(Rebase()), 2);
  EXPECT_NE(said_.find("another restack works on"), std::string::npos) << said_;
  close(held);
  EXPECT_EQ(Run(Rebase()), 1) << said_;
}

TEST_F(SessionTest, OutputIsAFolderOfASeries) {
  Put("file", "x");
  Put("other/x", "x");
  for (const char* output : {"file", "other"}) {
    std::vector<std::string> rebase = Rebase();
    rebase.insert(rebase.end(), {"--output", (folder_ / output).string()});
    EXPECT_EQ(Run(rebase), 2);
    EXPECT_FALSE(fs::exists(folder_ / (std::string(output) + ".restack")));
  }
  EXPECT_EQ(Get("file"), "x");
}

TEST_F(SessionTest, ALinkToTheSeriesIsFollowed) {
  fs::rename(folder_ / "patches", folder_ / "real");
  fs::create_symlink("real", folder_ / "patches");
  Put("target/f.c", "int f(void)\n{\n    one();\n    two();\n    three();\n    four();\n}\n");
  ASSERT_EQ(Run(Rebase()), 0) << said_;
  EXPECT_TRUE(fs::is_symlink(folder_ / "patches"));
  EXPECT_TRUE(fs::exists(folder_ / "real.restack/plan.json"));
  ASSERT_EQ(Run({"undo"}), 0) << said_;
  EXPECT_FALSE(fs::exists(folder_ / "real.restack"));
}

TEST_F(SessionTest, QuietNamesOnlyWhatNeedsAPerson) {
  std::vector<std::string> rebase = Rebase();
  rebase.push_back("--quiet");
  ASSERT_EQ(Run(rebase), 1) << said_;
  EXPECT_EQ(Get("stdout").find("a.patch"), std::string::npos) << Get("stdout");
  EXPECT_NE(Get("stdout").find("b.patch"), std::string::npos);
  EXPECT_EQ(Run({"--version"}), 0);
}

TEST_F(SessionTest, PackedPatchesStayPacked) {
  Put("target/f.c", "int f(void)\n{\n    one();\n    two();\n    three();\n    four();\n}\n");
  ASSERT_TRUE(WriteFile((folder_ / "patches/a.patch.gz").string(),
                        *Pack("a.patch.gz", Get("patches/a.patch"))));
  fs::remove(folder_ / "patches/a.patch");
  Put("patches/series", "a.patch.gz\nb.patch\n");
  ASSERT_EQ(Run(Rebase()), 0) << said_;
  Result<std::string> text = Unpack("a.patch.gz", Get("patches/a.patch.gz"));
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_NE(text->find("+    eins();"), std::string::npos);
}

// A cache of another version of restack, or of a run that was killed, has files of a package's
// blobs and no reference to the package.
TEST_F(SessionTest, ACacheWithoutItsReferencesIsReadAgain) {
  auto pack = [&] {
    stx::Process tar({"tar", "-czf", (folder_ / "none/x_1.orig.tar.gz").string(), "-C",
                      folder_.string(), "target"},
                     {});
    auto status = tar.Wait(stx::Milliseconds(20000));
    ASSERT_TRUE(status && status->code == 0) << tar.Stderr();
  };
  fs::create_directories(folder_ / "none");
  pack();
  std::vector<std::string> rebase = {"rebase", "--onto", "x=1", "--from",
                                     (folder_ / "base").string()};
  ASSERT_EQ(Run(rebase), 1) << said_;
  ASSERT_EQ(Run({"undo"}), 0) << said_;
  fs::remove_all(folder_ / "cache.git/refs");
  fs::create_directories(folder_ / "cache.git/refs");
  Put("target/new.c", "int another;\n");
  pack();
  ASSERT_EQ(Run(rebase), 1) << said_;
  EXPECT_EQ(Get("patches.restack/work/f.c").find("not kept"), std::string::npos);
  EXPECT_NE(Get("patches.restack/work/f.c").find("zwei"), std::string::npos);
}

// A block of the cache that begins with a packed file is not unpacked twice.
TEST_F(SessionTest, APackedFileInAPackageIsKeptAsItIs) {
  Result<std::string> gz = Pack("x.gz", "text\n");
  ASSERT_TRUE(gz) << gz.error().message;
  Put("target/0.gz", *gz);
  fs::create_directories(folder_ / "none");
  stx::Process tar({"tar", "-czf", (folder_ / "none/x_1.orig.tar.gz").string(), "-C",
                    folder_.string(), "target/0.gz", "target/f.c"},
                   {});
  auto status = tar.Wait(stx::Milliseconds(20000));
  ASSERT_TRUE(status && status->code == 0) << tar.Stderr();
  ASSERT_EQ(Run({"rebase", "--onto", "x=1", "--from", (folder_ / "base").string()}), 1) << said_;
  EXPECT_NE(Get("patches.restack/work/f.c").find("zwei"), std::string::npos);
}

}  // namespace
}  // namespace restack
