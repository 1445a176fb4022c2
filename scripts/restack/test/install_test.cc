// SPDX-License-Identifier: GPL-2.0-or-later
// What `meson install` installs is enough for another program, and for a user.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/process.h"
#include "restack/folder.h"

namespace restack {
namespace {

namespace fs = std::filesystem;

class InstallTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "restack-install.XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  int Shell(const std::string& script) {
    stx::SpawnOptions options;
    options.stdout_file = folder_ / "stdout";
    stx::Process process({"/bin/sh", "-ec", "cd " + folder_.string() + "; " + script}, options);
    auto status = process.Wait(stx::Milliseconds(240000));
    said_ = process.Stderr() + *ReadFile((folder_ / "stdout").string());
    return status ? status->code : -1;
  }

  fs::path folder_;
  std::string said_;
};

TEST_F(InstallTest, TheExampleIsBuiltFromInstalledFilesAlone) {
  std::string build = std::getenv("BUILD"), example = std::getenv("EXAMPLE");
  ASSERT_EQ(Shell("meson install -C " + build +
                  " --no-rebuild --quiet --destdir $PWD/to --tags runtime,devel,man >&2"),
            0)
      << said_;
  std::string find = "pc=$(find $PWD/to -name restack.pc); export PKG_CONFIG_PATH=${pc%/*}; ";
  ASSERT_EQ(Shell(find + "cp " + example + " landed.cc; c++ -std=c++20 -Wall -Werror landed.cc "
                         "$(pkg-config --define-variable=prefix=${pc%/lib/*} --cflags --libs restack) -o landed"),
            0)
      << said_;
  ASSERT_TRUE(WriteFile((folder_ / "base/f").string(), "one\ntwo\n"));
  ASSERT_TRUE(WriteFile((folder_ / "target/f").string(), "zero\none\ntwo\n"));
  ASSERT_TRUE(WriteFile((folder_ / "series/series").string(), "a.patch\n"));
  ASSERT_TRUE(WriteFile((folder_ / "series/a.patch").string(),
                        "--- a/f\n+++ b/f\n@@ -1,2 +1,3 @@\n one\n+mine\n two\n"));
  EXPECT_EQ(Shell("./landed series base target"), 0) << said_;
  EXPECT_EQ(said_, "0 of 1 hunks need a person\n");
  ASSERT_TRUE(WriteFile((folder_ / "target/f").string(), "other\n"));
  EXPECT_EQ(Shell("./landed series base target"), 1) << said_;
  EXPECT_EQ(Shell("./landed series nowhere target"), 2) << said_;
  // The command with its page and what completes it.
  EXPECT_EQ(Shell("restack=$(find to -path '*/bin/restack'); $restack --version; "
                  "grep -q 'restack rebase' $(find to -name restack.1); "
                  "PATH=$PWD/${restack%/*}:$PATH bash -c '. $(find to -name restack "
                  "-path \"*completions*\"); COMP_WORDS=(restack reb); COMP_CWORD=1; _restack; "
                  "echo \"${COMPREPLY[@]}\"'"),
            0)
      << said_;
  EXPECT_NE(said_.find("rebase\n"), std::string::npos) << said_;
}

}  // namespace
}  // namespace restack
