// SPDX-License-Identifier: GPL-2.0-or-later
// The command on a small series in a temporary folder: conflict, edit, continue, undo, and being
// killed.
#include <gtest/gtest.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <map>

#include "base/process.h"
#include "restack/folder.h"
#include "restack/packed.h"

namespace restack {
namespace {

namespace fs = std::filesystem;

class SessionTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "restack-test.XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    Put("base/f.c", "int f(void)\n{\n    one();\n    two();\n    three();\n}\n");
    Put("target/f.c", "int f(void)\n{\n    one();\n    zwei();\n    three();\n}\n");
    Put("patches/series", "a.patch # first\n# a comment\nb.patch\n");
    Put("patches/a.patch",
        "Description: a\nApplies-To: base\n--- a/f.c\n+++ b/f.c\n@@ -1,5 +1,5 @@\n int f(void)\n "
        "{\n-    one();\n+    eins();\n     two();\n     three();\n");
    Put("patches/b.patch",
        "Description: b\n--- a/f.c\n+++ b/f.c\n@@ -2,5 +2,5 @@\n {\n     eins();\n-    two();\n+   "
        " two(2);\n     three();\n }\n");
    fs::permissions(folder_ / "patches/a.patch", fs::perms::owner_exec, fs::perm_options::add);
  }
  void TearDown() override { fs::remove_all(folder_); }

  void Put(const std::string& path, const std::string& bytes) {
    fs::create_directories((folder_ / path).parent_path());
    ASSERT_TRUE(WriteFile((folder_ / path).string(), bytes));
  }
  std::string Get(const std::string& path) { return *ReadFile((folder_ / path).string()); }

  std::vector<std::string> Arguments(std::vector<std::string> arguments) {
    std::vector<std::string> argv = {
        std::getenv("RESTACK"),      "--series", (folder_ / "patches").string(),  "--packages",
        (folder_ / "none").string(), "--cache",  (folder_ / "cache.git").string()};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    return argv;
  }
  int Run(std::vector<std::string> arguments) {
    stx::SpawnOptions options;
    options.stdout_file = folder_ / "stdout";
    stx::Process process(Arguments(std::move(arguments)), options);
    auto status = process.Wait(stx::Milliseconds(20000));
    said_ = process.Stderr();
    return status ? status->code : -1;
  }
  std::vector<std::string> Rebase() {
    return {"rebase", "--onto", (folder_ / "target").string(), "--from",
            (folder_ / "base").string()};
  }
  std::map<std::string, std::string> Patches() {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / "patches"))
      if (entry.is_regular_file()) files[entry.path().string()] = *ReadFile(entry.path().string());
    return files;
  }

  fs::path folder_;
  std::string said_;
};

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
  ASSERT_EQ(Run({"export", "--base", (folder_ / "base").string(), "--tree",
                 (folder_ / "base").string()}),
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
      "--- a/f.c\n+++ b/f.c\n@@ -2,5 +2,5 @@\n {\n     one();\n-    two();\n+    two(2);\n     three();\n }\n");
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

// A cache of another version of restack, or of a run that was killed, has files of a package's blobs
// and no reference to the package.
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

TEST_F(SessionTest, GitAndBackIsLossless) {
  std::string repository = (folder_ / "repo").string(), base = (folder_ / "base").string();
  auto before = Patches();
  ASSERT_EQ(Run({"export", "--base", base, "--git", repository, "--branch", "s"}), 0) << said_;
  for (const auto& [path, bytes] : before) fs::remove(path);
  ASSERT_EQ(Run({"import", "--git", repository, "--branch", "s"}), 0) << said_;
  EXPECT_EQ(Patches(), before);
}

TEST_F(SessionTest, AZeroByteInAHeadIsLossless) {
  std::string repository = (folder_ / "repo").string(), base = (folder_ / "base").string();
  Put("patches/a.patch",
      std::string("Description: a\nOrigin: x\0y\n", 26) + Get("patches/a.patch"));
  auto before = Patches();
  ASSERT_EQ(Run({"export", "--base", base, "--git", repository, "--branch", "s"}), 0) << said_;
  ASSERT_EQ(Run({"import", "--git", repository, "--branch", "s"}), 0) << said_;
  EXPECT_EQ(Patches(), before);
}

// A cache and a repository on a disk that is full after every so many KiB: the message names the
// place and the reason, the series stays, and with more space the same call goes on.
TEST_F(SessionTest, AFullDiskWhileGitTreesAreWritten) {
  if (system("unshare -m mount -t tmpfs none /mnt 2>/dev/null") != 0)
    GTEST_SKIP() << "a small disk (tmpfs) needs the right to mount";
  for (int i = 0; i < 60; ++i)
    Put("base/d" + std::to_string(i) + "/f", "a text of its own: " + std::to_string(i));
  std::string disk = (folder_ / "disk").string(), base = (folder_ / "base").string();
  fs::create_directories(disk);
  auto before = Patches();
  int full = 0, written = 0;
  for (int kib = 64; kib < 1024 && written == 0; kib += 16) {
    std::string export_it = "\"$RESTACK\" --series " + (folder_ / "patches").string() +
                            " export --base " + base + " --git " + disk + "/repo --branch s";
    std::string script = "mount -t tmpfs -o size=" + std::to_string(kib) + "k none " + disk +
                         "; rc=0; " + export_it + " || rc=$?; [ $rc = 0 ] && exit 0; " + "find " +
                         disk + " -name 'tmp_*' -o -name '*.lock' >&2; [ -e " + disk +
                         "/repo/refs/heads/s ] && echo half >&2; mount -o remount,size=8m " + disk +
                         "; " + export_it + " >&2 || exit 3; exit $rc";
    stx::Process process({"unshare", "-m", "/bin/sh", "-c", script}, {});
    auto status = process.Wait(stx::Milliseconds(60000));
    ASSERT_TRUE(status);
    std::string said = process.Stderr();
    if (status->code == 0) {
      ++written;
      continue;
    }
    ASSERT_EQ(status->code, 2) << kib << " KiB: " << said;
    EXPECT_NE(said.find("No space left on device"), std::string::npos) << kib << " KiB: " << said;
    EXPECT_NE(said.find(disk + "/repo"), std::string::npos) << said;
    EXPECT_EQ(said.find("tmp_"), std::string::npos) << said;
    EXPECT_EQ(said.find("half"), std::string::npos) << said;
    ++full;
  }
  EXPECT_EQ(written, 1);
  EXPECT_GT(full, 5);
  EXPECT_EQ(Patches(), before);
}

// Amending the first commit writes the second anew as well, without its note.
TEST_F(SessionTest, AnAmendedCommitKeepsItsPatch) {
  std::string repository = (folder_ / "repo").string(), base = (folder_ / "base").string();
  ASSERT_EQ(Run({"export", "--base", base, "--git", repository, "--branch", "s"}), 0) << said_;
  auto git = [&](std::vector<std::string> arguments) {
    std::vector<std::string> argv = {"git", "-C", repository, "-c", "user.name=a", "-c",
                                     "user.email=a@b"};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    stx::SpawnOptions options;
    options.stdout_file = folder_ / "stdout";
    stx::Process process(argv, options);
    auto status = process.Wait(stx::Milliseconds(20000));
    said_ = process.Stderr();
    return status ? status->code : -1;
  };
  if (git({"--version"}) != 0) GTEST_SKIP() << "git is not installed";
  ASSERT_EQ(git({"checkout", "--quiet", "-b", "mine", "s~1"}), 0) << said_;
  Put("repo/f.c", "int f(void)\n{\n    eins();\n    two();\n    three();\n}\n/* more */\n");
  ASSERT_EQ(git({"commit", "--quiet", "-a", "--amend", "--no-edit"}), 0) << said_;
  ASSERT_EQ(git({"cherry-pick", "s"}), 0) << said_;
  auto before = Patches();
  ASSERT_EQ(Run({"import", "--git", repository, "--branch", "mine"}), 0) << said_;
  auto after = Patches();
  ASSERT_EQ(after.size(), before.size()) << "no name is new";
  EXPECT_NE(Get("patches/a.patch").find("+/* more */"), std::string::npos);
  EXPECT_TRUE(Get("patches/a.patch").starts_with("Description: a\nApplies-To: base\n"));
  EXPECT_EQ(Get("patches/series"), "a.patch # first\n# a comment\nb.patch\n");
  // A name in a message leads nowhere but into the folder.
  ASSERT_EQ(git({"commit", "--quiet", "--allow-empty", "-m", "x", "-m", "Restack-Patch: ../../x"}), 0);
  EXPECT_EQ(Run({"import", "--git", repository, "--branch", "mine"}), 2);
}

}  // namespace
}  // namespace restack
