// SPDX-License-Identifier: GPL-2.0-or-later
// A series of two patches in a temporary folder, its base, and a target on which the second one
// conflicts; and the command.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/process.h"
#include "restack/folder.h"

namespace restack {

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

}  // namespace restack
