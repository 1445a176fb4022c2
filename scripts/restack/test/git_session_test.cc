// SPDX-License-Identifier: GPL-2.0-or-later
// A series as commits of a git repository, and back.
#include "session_fixture.h"

namespace restack {
namespace {

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
    std::vector<std::string> argv = {"git",         "-C", repository,      "-c",
                                     "user.name=a", "-c", "user.email=a@b"};
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
  ASSERT_EQ(git({"commit", "--quiet", "--allow-empty", "-m", "x", "-m", "Restack-Patch: ../../x"}),
            0);
  EXPECT_EQ(Run({"import", "--git", repository, "--branch", "mine"}), 2);
}

}  // namespace
}  // namespace restack
