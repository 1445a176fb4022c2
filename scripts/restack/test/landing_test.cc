// SPDX-License-Identifier: GPL-2.0-or-later
// Whole runs of the engine on files in memory.
#include <gtest/gtest.h>

#include "restack/graph.h"
#include "restack/rebase.h"

namespace restack {
namespace {

Series OnePatch(const std::string& bytes) {
  Series series;
  series.file.entries.push_back({"t.patch\n", "t.patch", 1, false});
  Result<Patch> patch = ParsePatch(bytes, "t.patch");
  EXPECT_TRUE(patch);
  series.patches.push_back(*patch);
  series.strip.push_back(1);
  series.reverse.push_back(false);
  series.originals.push_back(bytes);
  return series;
}

std::shared_ptr<MemoryTree> OneFile(const std::string& path, const std::string& bytes) {
  auto tree = std::make_shared<MemoryTree>();
  tree->Write(path, {Text(bytes), 0100644});
  return tree;
}

constexpr const char* kBase =
    "#include \"a.h\"\n#include \"b.h\"\n\nint f(int x)\n{\n    int i;\n    one(x);\n    two(x);\n "
    "   return i;\n}\n";

HunkVerdict Land(const std::string& patch, const std::string& target, std::string* after,
                 const char* path = "f.c") {
  Series series = OnePatch(patch);
  RebaseInput input;
  input.series = &series;
  input.bases = {OneFile("f.c", kBase)};
  input.target = OneFile(path, target);
  Result<RebaseOutcome> outcome = Rebase(input);
  EXPECT_TRUE(outcome) << outcome.error().message;
  *after = (*outcome->landed->Read(path))->text.bytes();
  return outcome->verdict.patches[0].hunks[0];
}

TEST(Landing, IncludeWhoseNeighbourIsGone) {
  std::string after;
  HunkVerdict hunk = Land(
      "--- a/f.c\n+++ b/f.c\n@@ -1,5 +1,6 @@\n #include \"a.h\"\n #include \"b.h\"\n+#include "
      "\"n.h\"\n \n int f(int x)\n {\n",
      "#include \"a.h\"\n#include \"c.h\"\n\nint f(int x)\n{\n    return 0;\n}\n", &after);
  EXPECT_EQ(hunk.grade, Grade::kReanchored) << hunk.reason;
  EXPECT_EQ(after.find("#include \"a.h\"\n#include \"n.h\"\n"), 0u) << after;
}

TEST(Landing, UpstreamIsDropped) {
  std::string after, target =
                         "int f(int x)\n{\n    int i;\n    one(x);\n    new_call(x);\n    "
                         "two(x);\n    return i + 1;\n}\n";
  HunkVerdict hunk = Land(
      "--- a/f.c\n+++ b/f.c\n@@ -6,4 +6,5 @@\n     int i;\n     one(x);\n+    new_call(x);\n     "
      "two(x);\n     return i;\n",
      target, &after);
  EXPECT_EQ(hunk.grade, Grade::kUpstream) << hunk.reason;
  EXPECT_EQ(after, target);
}

TEST(Landing, ChangedLineIsNamed) {
  std::string after,
      target = "int f(int x)\n{\n    int i;\n    one(x, 1);\n    two(x);\n    return i;\n}\n";
  HunkVerdict hunk = Land(
      "--- a/f.c\n+++ b/f.c\n@@ -6,4 +6,4 @@\n     int i;\n-    one(x);\n+    eins(x);\n     "
      "two(x);\n     return i;\n",
      target, &after);
  EXPECT_EQ(hunk.grade, Grade::kConflict);
  EXPECT_NE(hunk.reason.find("`one(x);` that it replaces is `one(x, 1);` there"), std::string::npos)
      << hunk.reason;
  EXPECT_EQ(after, target);
}

TEST(Landing, UntouchedPatchKeepsItsBytes) {
  std::string bytes =
      "Description: t\n--- a/f.c\t2020\n+++ b/f.c\t2021\n@@ -6,4 +6,4 @@ odd section\n     int "
      "i;\n-    one(x);\n+    eins(x);\n     two(x);\n     return i;\n# end\n";
  Series series = OnePatch(bytes);
  RebaseInput input;
  input.series = &series;
  input.bases = {OneFile("f.c", kBase)};
  input.target = OneFile("f.c", "/* new */\n/* lines */\n" + std::string(kBase));
  Result<RebaseOutcome> outcome = Rebase(input);
  ASSERT_TRUE(outcome);
  EXPECT_TRUE(outcome->verdict.patches[0].unchanged);
  EXPECT_EQ(outcome->verdict.patches[0].text.view(), bytes);
}

TEST(Graph, OptionWithoutItsImplementation) {
  Series series = OnePatch(
      "--- /dev/null\n+++ b/o.hx\n@@ -0,0 +1 @@\n+DEF(\"enable-thing\", 0, QEMU_OPTION_x)\n");
  std::string second =
      "--- /dev/null\n+++ b/g.c\n@@ -0,0 +1 @@\n+    case QEMU_OPTION_a: use(\"enable_thing\");\n";
  series.patches.push_back(*ParsePatch(second, "u.patch"));
  series.strip.push_back(1);
  series.reverse.push_back(false);
  series.originals.push_back(second);
  Result<std::vector<Dependency>> found = Dependencies(series, std::make_shared<MemoryTree>());
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 1u);
  EXPECT_FALSE((*found)[0].textual);
  EXPECT_EQ((*found)[0].evidence, std::vector<std::string>{"enable_thing"});
}

}  // namespace
}  // namespace restack
