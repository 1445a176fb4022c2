// SPDX-License-Identifier: GPL-2.0-or-later
// The gate: what `restack check` finds in a series, and that it finds nothing in ours.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <set>

#include "base/os.h"
#include "base/process.h"
#include "restack/folder.h"
#include "restack/lint.h"
#include "restack/series.h"
#include "restack/store.h"

namespace restack {
namespace {

namespace fs = std::filesystem;

std::string Root() { return std::getenv("REPOSITORY"); }

/// Exit code of restack with our packages; what it prints in `said`.
int Restack(const std::vector<std::string>& arguments, std::string* said) {
  fs::path out = fs::temp_directory_path() / ("restack-check." + std::to_string(getpid()));
  std::vector<std::string> command = {std::getenv("RESTACK"), "--packages",
                                      Root() + "/cache/packages", "--cache",
                                      Root() + "/cache/restack.git"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  stx::SpawnOptions options;
  options.stdout_file = out;
  stx::Process process(command, options);
  auto status = process.Wait(stx::Milliseconds(100000));
  *said = *ReadFile(out.string()) + process.Stderr();
  fs::remove(out);
  return status ? status->code : -1;
}

/// `restack check` on a folder, which may be one of our repository.
int Check(const fs::path& series, const std::string& base, std::string* said) {
  return Restack({"--series", fs::path(Root()) / series, "check", "--base", base, "--root", Root()},
                 said);
}

/// Whether cache/packages has QEMU's source package of that version, with Debian's patches.
bool HaveQemu(const std::string& version) {
  for (const SourcePackage& package : FindPackages(Root() + "/cache/packages"))
    if (package.name == "qemu" && package.version.starts_with(version) && package.Patched())
      return true;
  return false;
}

TEST(Check, OurSeriesIsClean) {
  std::string said;
  EXPECT_EQ(Check("patches", Root() + "/qemu-7.2/plain", &said), 0) << said;
}

TEST(Check, OurSeriesFor10IsClean) {
  if (!HaveQemu("10.0"))
    GTEST_SKIP()
        << "no source package of QEMU 10.0 in cache/packages: scripts/step/bases fetches it";
  std::string said;
  EXPECT_EQ(Check("patches/10.0", "qemu=10.0", &said), 0) << said;
}

// As scripts/step/onto makes it: the edits in patches/10.2 fit patches/10.0.
TEST(Check, OurSeriesFor102IsMadeOfThatFor10AndIsClean) {
  if (!HaveQemu("10.0") || !HaveQemu("10.2"))
    GTEST_SKIP() << "no source packages of QEMU 10.0 and 10.2 in cache/packages: "
                    "scripts/step/bases fetches them";
  stx::TempDir dir;
  const fs::path moved = dir / "moved";
  fs::copy(Root() + "/patches/10.2", moved, fs::copy_options::recursive);
  stx::WriteFile(moved / "series", "");
  std::string said;
  ASSERT_EQ(Restack({"--series", Root() + "/patches/10.0", "rebase", "--from", "qemu=10.0",
                     "--onto", "qemu=10.2", "--output", moved},
                    &said),
            0)
      << said;
  std::set<std::string> only;
  for (const auto& entry : fs::directory_iterator(moved / "only"))
    only.insert("only/" + entry.path().filename().string() + "\n");
  std::string series = stx::ReadFile(moved / "series");
  for (const std::string& name : only) series += name;
  stx::WriteFile(moved / "series", series);
  EXPECT_EQ(Check(moved, "qemu=10.2", &said), 0) << said;
}

Series Read(const std::string& bytes) {
  Series series;
  series.patches.push_back(*ParsePatch(bytes, "a.patch"));
  series.strip.push_back(1);
  series.reverse.push_back(false);
  series.originals.push_back(bytes);
  return series;
}

TEST(Check, FindsWhatIsMissing) {
  MemoryTree base;
  base.Write("x", {Text("a\nb\nc\nd\n"), 0100644});
  Series series = Read(
      "Description: d\nTested-By: no/such_test.cc\nLast-Update: yesterday\n--- a/x\n+++ b/x\n@@ "
      "-1,4 +1,4 @@\n a\n b\n-q\n+C\n d\n");
  std::vector<std::string> found;
  for (const Finding& finding : Lint(series, base, {"Description", "Origin"}, "/nowhere"))
    found.push_back(finding.message);
  ASSERT_EQ(found.size(), 4u);
  EXPECT_EQ(found[0], "x: hunk 1 (line 1) is not there");
  EXPECT_EQ(found[1], "its head has no Origin: field");
  EXPECT_EQ(found[2], "Last-Update is a date as 2026-01-31, not \"yesterday\"");
  EXPECT_EQ(found[3], "Tested-By names no/such_test.cc, which is not there");
}

TEST(Check, HasNothingToSayOfACompletePatch) {
  MemoryTree base;
  base.Write("x", {Text("a\nb\nc\nd\n"), 0100644});
  Series series = Read("Description: d\n--- a/x\n+++ b/x\n@@ -1,4 +1,4 @@\n a\n b\n-c\n+C\n d\n");
  EXPECT_TRUE(Lint(series, base, {"Description"}, "").empty());
}

TEST(Check, WantsTheFieldsInOneOrder) {
  MemoryTree base;
  base.Write("x", {Text("a\nb\nc\nd\n"), 0100644});
  const std::string change = "--- a/x\n+++ b/x\n@@ -1,4 +1,4 @@\n a\n b\n-c\n+C\n d\n";
  const auto findings = [&](const std::string& head, const std::string& root = "") {
    return Lint(Read(head + change), base, {"Description", "Origin"}, root);
  };
  EXPECT_TRUE(findings("Description: d\n more\nBug: b\nOrigin: o\n").empty());
  const auto found = findings("Origin: o\nDescription: d\n");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].message, "the fields of its head are not in the order Description, Origin");
}

TEST(Check, TestedByMayNameCasesOfAFile) {
  MemoryTree base;
  base.Write("x", {Text("a\nb\nc\nd\n"), 0100644});
  const std::string head =
      "Description: d\nTested-By: scripts/restack/test/check_test.cc:A.*:B.C,\n no_test.cc:D.*\n";
  const auto found = Lint(Read(head + "--- a/x\n+++ b/x\n@@ -1,4 +1,4 @@\n a\n b\n-c\n+C\n d\n"),
                          base, {"Description"}, stx::EnvOr("REPOSITORY", "."));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].message, "Tested-By names no_test.cc:D.*, which is not there");
}

}  // namespace
}  // namespace restack
