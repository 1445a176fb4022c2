// SPDX-License-Identifier: GPL-2.0-or-later
// scripts/step/fetch: files that differ from what base.toml pins, and an archive that does not have
// the version.
#include <gtest/gtest.h>
#include <unistd.h>

#include "scripts/clone.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

constexpr char kDebianTar[] = "qemu_7.2+dfsg-7+deb12u18.debian.tar.xz";
constexpr char kOrigTar[] = "qemu_7.2+dfsg.orig.tar.xz";

std::string Sum(const fs::path& file) {
  return Run({"sha256sum", file.string()}, Milliseconds(5000)).out.substr(0, 64);
}

/// The file differs from base.toml: both sums are reported and nothing is made. Once it is removed,
/// it is fetched again.
void ExpectRefused(const Clone& clone, const std::string& file, const std::string& bad) {
  const fs::path path = clone.Base(file);
  const std::string pinned = Sum(path), good = ReadFile(path);
  WriteFile(path, bad);
  RunResult result = clone.Step("tree");
  EXPECT_EQ(result.status.code, 1);
  EXPECT_NE(result.err.find(path.string()), std::string::npos) << result.err;
  EXPECT_NE(result.err.find(pinned), std::string::npos) << result.err;
  EXPECT_NE(result.err.find(Sum(path)), std::string::npos) << result.err;
  EXPECT_FALSE(fs::exists(clone / "qemu-7.2/plain"));
  fs::remove(path);
  result = clone.Step("tree");
  EXPECT_TRUE(result.status.Success()) << result.err;
  EXPECT_EQ(ReadFile(path), good);
  EXPECT_TRUE(fs::exists(clone / "qemu-7.2/tree/configure"));
}

TEST(Fetch, TamperedTarballIsRefusedWithBothSums) {
  Clone clone;
  ASSERT_TRUE(clone.Step("fetch").status.Success());
  std::string bytes = ReadFile(clone.Base(kDebianTar));
  bytes[bytes.size() / 2] ^= 1;
  ExpectRefused(clone, kDebianTar, bytes);
}

TEST(Fetch, TruncatedTarballIsRefusedWithBothSums) {
  Clone clone;
  ASSERT_TRUE(clone.Step("fetch").status.Success());
  ExpectRefused(clone, kOrigTar, ReadFile(clone.Base(kOrigTar)).substr(0, 100));
}

TEST(Fetch, NothingOfAnArchiveThatHasOtherBytesIsKept) {
  Clone clone;
  const std::string pin = ReadFile(clone / "qemu-7.2/base.toml");
  const std::string sum = Sum(clone / "qemu-7.2/base.toml");  // any other one
  std::string wrong = pin;
  wrong.replace(wrong.rfind("sha256 = \"") + 10, 64, sum);
  WriteFile(clone / "qemu-7.2/base.toml", wrong);
  RunResult result = clone.Step("tree");
  EXPECT_EQ(result.status.code, 1);
  EXPECT_NE(result.err.find(sum), std::string::npos) << result.err;
  EXPECT_FALSE(fs::exists(clone.Base(kOrigTar)));
  EXPECT_FALSE(fs::exists(clone / "cache/base.partial"));
  WriteFile(clone / "qemu-7.2/base.toml", pin);
  result = clone.Step("tree");
  EXPECT_TRUE(result.status.Success()) << result.err;
}

TEST(Fetch, ASecondRunNeedsNoArchive) {
  Clone clone;
  ASSERT_TRUE(clone.Step("tree").status.Success());
  RunResult result = clone.Step("tree", {}, {"env", "APT_CONFIG=/nonexistent"});
  EXPECT_TRUE(result.status.Success()) << result.err;
  EXPECT_EQ(result.err, "") << "it prints only its progress";
}

TEST(Fetch, NoNetworkIsNamedAndLeavesNothing) {
  if (geteuid() != 0) GTEST_SKIP() << "a network namespace needs root";
  TempDir dir;
  WriteFile(dir / "some.list", "deb http://archive.invalid/debian bookworm main\n");
  WriteFile(dir / "apt.conf", "Dir::Etc::sourcelist \"" + (dir / "none").string() +
                                  "\";\nDir::Etc::sourceparts \"" + dir.path().string() + "\";\n");
  Clone clone;
  RunResult result = clone.Step(
      "fetch", {}, {"unshare", "--net", "env", "APT_CONFIG=" + (dir / "apt.conf").string()});
  EXPECT_EQ(result.status.code, 1);
  EXPECT_NE(result.err.find("no network"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("archive.invalid"), std::string::npos) << result.err;
  EXPECT_FALSE(fs::exists(clone / "cache/base"));
  EXPECT_FALSE(fs::exists(clone / "cache/base.partial"));
  result = clone.Step("fetch");
  EXPECT_TRUE(result.status.Success()) << result.err;
}

TEST(Fetch, AnArchiveThatIsNotSignedIsRefused) {
  Archive archive;
  archive.Offer(Archive::kPinned);
  archive.SetTrusted(false);
  Clone clone(archive);
  RunResult result = clone.Step("fetch");
  EXPECT_EQ(result.status.code, 1);
  EXPECT_NE(result.err.find("is not signed"), std::string::npos) << result.err;
  EXPECT_FALSE(fs::exists(clone / "cache/base"));
  archive.SetTrusted(true);
  result = clone.Step("fetch");
  EXPECT_TRUE(result.status.Success()) << result.err;
}

std::string VersionOf(const Clone& clone) {
  return Run({(clone / "build/small/qemu-system-x86_64").string(), "--version"}, Milliseconds(5000))
      .out;
}

TEST(Fetch, OfAPinThatIsGoneTheNewestOfTheSeriesIsTakenAndTold) {
  const std::string gone = "1:7.2+dfsg-7+deb12u99";
  Archive archive;
  archive.Offer("1:7.2+dfsg-7+deb12u9");
  archive.Offer("1:7.2+dfsg-7+deb12u20");
  archive.Offer("1:8.2+dfsg-1");
  Clone clone(archive, gone);
  RunResult result = clone.Step("build", {"small"});
  ASSERT_TRUE(result.status.Success()) << result.err;
  EXPECT_NE(result.err.find("WARNING: the archive no longer has the pinned qemu " + gone +
                            "; taking 1:7.2+dfsg-7+deb12u20, which it signs"),
            std::string::npos)
      << result.err;
  EXPECT_NE(VersionOf(clone).find("Debian 1:7.2+dfsg-7+deb12u20, NOT the pinned base"),
            std::string::npos)
      << VersionOf(clone);
  // The second run reports the same, without the archive.
  result = clone.Step("tree", {}, {"env", "APT_CONFIG=/nonexistent"});
  EXPECT_TRUE(result.status.Success()) << result.err;
  EXPECT_NE(result.err.find("NOT the pinned " + gone), std::string::npos) << result.err;
}

TEST(Fetch, AnotherPinGivesAnotherBase) {
  Clone clone(Archive::Shared(), "1:7.2+dfsg-7+deb12u3");
  clone.WritePatch("a", {{0, "II"}});
  clone.WriteSeries("a\n");
  RunResult result = clone.Step("build", {"small"});
  ASSERT_TRUE(result.status.Success()) << result.err;
  clone.Pin(Archive::kPinned);
  result = clone.Step("build", {"small"});
  ASSERT_TRUE(result.status.Success()) << result.err;
  EXPECT_NE(VersionOf(clone).find("stx-qemu, Debian " + std::string(Archive::kPinned) + ")"),
            std::string::npos)
      << VersionOf(clone);
  Clone fresh;
  fresh.WritePatch("a", {{0, "II"}});
  fresh.WriteSeries("a\n");
  ASSERT_TRUE(fresh.Step("tree").status.Success());
  EXPECT_EQ(Difference(Content(clone / "qemu-7.2/tree"), Content(fresh / "qemu-7.2/tree")), "");
}

TEST(Fetch, AnArchiveWithoutTheBaseSaysWhatItOffers) {
  Archive archive;
  archive.Offer("1:8.2+dfsg-1");
  Clone clone(archive);
  RunResult result = clone.Step("fetch");
  EXPECT_EQ(result.status.code, 1);
  EXPECT_NE(result.err.find("the archive has no qemu 1:7.2+dfsg-* (it offers: 1:8.2+dfsg-1)"),
            std::string::npos)
      << result.err;
  EXPECT_FALSE(fs::exists(clone / "cache/base"));
}

}  // namespace
}  // namespace stx
