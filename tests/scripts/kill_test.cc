// SPDX-License-Identifier: GPL-2.0-or-later
// Each step is killed at many moments. When it is started again, it completes as if nothing had
// happened.
#include <gtest/gtest.h>
#include <signal.h>

#include "scripts/clone.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

constexpr int kMoments = 4;

Milliseconds TimeOf(const Clone& clone, const std::string& step) {
  auto start = Clock::now();
  RunResult result = clone.Step(step);
  EXPECT_TRUE(result.status.Success()) << result.err;
  return std::chrono::duration_cast<Milliseconds>(Clock::now() - start);
}

/// A patch to 25 files: copying them takes long enough to be interrupted.
std::vector<Edit> ManyFiles(int first) {
  std::vector<Edit> edits;
  for (int i = 0; i < 25; ++i) edits.push_back({first + i, "II"});
  return edits;
}

TEST(Killed, TreeFromNothing) {
  Clone clone;
  clone.WritePatch("a", ManyFiles(0));
  clone.WriteSeries("a\n");
  const Milliseconds whole = TimeOf(clone, "tree");
  const auto expected = Content(clone / "qemu-7.2");
  int killed = 0;
  for (int i = 0; i < kMoments; ++i) {
    SCOPED_TRACE("killed after " + std::to_string(i + 1) + "/" + std::to_string(kMoments + 1));
    clone.Reset();
    killed += clone.StartAndKill("tree", whole * (i + 1) / (kMoments + 1));
    RunResult result = clone.Step("tree");
    ASSERT_TRUE(result.status.Success()) << result.err;
    ASSERT_EQ(Difference(Content(clone / "qemu-7.2"), expected), "");
    ASSERT_FALSE(fs::exists(clone / "cache/base.partial"));
  }
  EXPECT_GT(killed, 0);
}

TEST(Killed, TreeAgainAndAgain) {
  Clone clone;
  clone.WritePatch("a", ManyFiles(0));
  clone.WriteSeries("a\n");
  const Milliseconds whole = TimeOf(clone, "tree");
  const auto expected = Content(clone / "qemu-7.2");
  clone.Reset();
  for (int i = 0; i < kMoments; ++i) clone.StartAndKill("tree", whole * (i + 1) / (kMoments + 1));
  RunResult result = clone.Step("tree");
  ASSERT_TRUE(result.status.Success()) << result.err;
  EXPECT_EQ(Difference(Content(clone / "qemu-7.2"), expected), "");
}

TEST(Killed, AChangeOfTheSeriesThatIsThenTakenBack) {
  Clone clone;
  clone.WritePatch("a", ManyFiles(0));
  clone.WritePatch("b", ManyFiles(25));
  clone.WriteSeries("a\n");
  TimeOf(clone, "tree");
  const auto expected = Content(clone / "qemu-7.2");
  for (int file : {25, 37, 48}) {  // while the files that "b" touches are being written
    const fs::path written = clone / ("qemu-7.2/tree/hw/" + std::to_string(file) + ".c");
    clone.WriteSeries("a\nb\n");
    ASSERT_TRUE(clone.StartAndKill(
        "tree", [&] { return ReadFile(written).find("II") != std::string::npos; }));
    clone.WriteSeries("a\n");
    RunResult result = clone.Step("tree");
    ASSERT_TRUE(result.status.Success()) << result.err;
    ASSERT_EQ(Difference(Content(clone / "qemu-7.2"), expected), "");
  }
}

TEST(Killed, EditsMadeAfterwardsAreNotLost) {
  Clone clone;
  clone.WritePatch("a", ManyFiles(0));
  clone.WriteSeries("");
  TimeOf(clone, "tree");
  clone.WriteSeries("a\n");
  const Milliseconds whole = TimeOf(clone, "tree");
  clone.WriteSeries("");
  for (int i = 0; i < kMoments; ++i) clone.StartAndKill("tree", whole * (i + 1) / (kMoments + 1));
  const fs::path edited = clone / "qemu-7.2/tree/hw/50.c";
  WriteFile(edited, "by hand\n");
  RunResult result = clone.Step("tree");
  // Whether or not the killed step had ended, only a real edit may be taken for one.
  EXPECT_EQ(ReadFile(edited), "by hand\n");
  EXPECT_TRUE(result.status.Success() ||
              result.err.find("edits that the series does not have: hw/50.c\n") !=
                  std::string::npos)
      << result.err;
}

TEST(Killed, MkguestLeavesTheWholeImageOrNone) {
  TempDir dir;
  // mkguest accepts this as a static program: an ELF header without segments.
  std::string program =
      "\x7f"
      "ELF" +
      std::string(60, '\0') + std::string(4 << 20, 'x');
  WriteFile(dir / "guestd", program);
  const fs::path image = dir / "root.img";
  const std::vector<std::string> command = {EnvOr("MKGUEST", "mkguest"), "image", "--guestd",
                                            (dir / "guestd").string(),   "-o",    image.string()};
  const auto start = Clock::now();
  ASSERT_TRUE(stx::Run(command, Milliseconds(20000)).status.Success());
  const auto whole = std::chrono::duration_cast<Milliseconds>(Clock::now() - start);
  const std::string expected = ReadFile(image);
  int killed = 0;
  for (int i = 0; i < kMoments; ++i) {
    fs::remove(image);
    Process process(command, {});
    killed += !process.Wait(whole * (i + 1) / (kMoments + 1));
    process.Kill();
    ASSERT_TRUE(!fs::exists(image) || ReadFile(image) == expected);
  }
  EXPECT_GT(killed, 0);
  ASSERT_TRUE(stx::Run(command, Milliseconds(20000)).status.Success());
  EXPECT_TRUE(ReadFile(image) == expected);
}

}  // namespace
}  // namespace stx
