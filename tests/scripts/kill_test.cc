// Each step is killed at many moments, and ends as if nothing had been when it is started again.
#include <gtest/gtest.h>
#include <signal.h>

#include "scripts/clone.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

constexpr int kMoments = 8;

Milliseconds TimeOf(const Clone& clone, const std::string& step) {
  auto start = Clock::now();
  RunResult result = clone.Step(step);
  EXPECT_TRUE(result.status.Success()) << result.err;
  return std::chrono::duration_cast<Milliseconds>(Clock::now() - start);
}

/// A patch to 60 files: copying them takes long enough to be hit.
std::vector<Edit> ManyFiles(int first) {
  std::vector<Edit> edits;
  for (int i = 0; i < 60; ++i) edits.push_back({first + i, "II"});
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
  EXPECT_GT(killed, kMoments / 2);
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
  clone.WritePatch("b", ManyFiles(60));
  clone.WriteSeries("a\n");
  TimeOf(clone, "tree");
  const auto expected = Content(clone / "qemu-7.2");
  clone.WriteSeries("a\nb\n");
  const Milliseconds whole = TimeOf(clone, "tree");
  int killed = 0;
  for (int i = 0; i < kMoments; ++i) {
    SCOPED_TRACE("killed after " + std::to_string(i + 1) + "/" + std::to_string(kMoments + 1));
    clone.WriteSeries("a\n");
    RunResult result = clone.Step("tree");
    ASSERT_TRUE(result.status.Success()) << result.err;
    ASSERT_EQ(Difference(Content(clone / "qemu-7.2"), expected), "");
    clone.WriteSeries("a\nb\n");
    killed += clone.StartAndKill("tree", whole * (i + 1) / (kMoments + 1));
  }
  clone.WriteSeries("a\n");
  ASSERT_TRUE(clone.Step("tree").status.Success());
  EXPECT_EQ(Difference(Content(clone / "qemu-7.2"), expected), "");
  EXPECT_GT(killed, kMoments / 2);
}

TEST(Killed, MkguestLeavesTheWholeImageOrNone) {
  TempDir dir;
  std::string program(20 << 20, 'x');  // an ELF header is all that mkguest asks of it
  program.replace(0, 20, ReadFile("/proc/self/exe"), 0, 20);
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
  EXPECT_GT(killed, kMoments / 2);
  ASSERT_TRUE(stx::Run(command, Milliseconds(20000)).status.Success());
  EXPECT_TRUE(ReadFile(image) == expected);
}

}  // namespace
}  // namespace stx
