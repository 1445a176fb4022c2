// SPDX-License-Identifier: GPL-2.0-or-later
// A machine that does not meet the scripts' needs: packages, release, disk.
#include <gtest/gtest.h>
#include <unistd.h>

#include "scripts/clone.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

constexpr char kAbsent[] = "Source: small\nBuild-Depends: dpkg-dev, stx-no-such-package (>= 3)\n";
constexpr char kMet[] = "Source: small\nBuild-Depends: dpkg-dev\n";

constexpr const char* kMountNeeds =
    "a mount namespace of its own: root, and a / that is a mount point (in a chroot it is none)";

bool CanMount() { return Run({"unshare", "--mount", "true"}, Milliseconds(5000)).status.Success(); }

TEST(Setup, NotRootAndPackagesMissingPrintsTheCommand) {
  Clone clone;
  fs::create_directory(clone / "build");
  fs::permissions(clone / "build", fs::perms(0777));
  std::vector<std::string> nobody;
  if (geteuid() == 0)
    nobody = {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"};
  WriteFile(clone / "debian/control", kAbsent);
  RunResult result = clone.Step("setup", {}, nobody);
  EXPECT_EQ(result.status.code, 1);
  EXPECT_NE(result.err.find("missing packages: stx-no-such-package (>= 3). As root, run:\n"
                            "  apt-get update && apt-get build-dep --no-install-recommends " +
                            clone.path().string() + "\n"),
            std::string::npos)
      << result.err;
  EXPECT_FALSE(fs::exists(clone / "build/.setup"));
  WriteFile(clone / "debian/control", kMet);
  result = clone.Step("setup", {}, nobody);
  EXPECT_TRUE(result.status.Success()) << result.err;
  EXPECT_EQ(result.err, "");
}

TEST(Setup, NotDebian12GoesOnIfThePackagesAreThere) {
  if (!CanMount()) GTEST_SKIP() << "another /etc/os-release needs " << kMountNeeds;
  Clone clone;
  WriteFile(clone / "os-release", "ID=ubuntu\nVERSION_ID=\"22.04\"\nVERSION_CODENAME=jammy\n");
  const std::vector<std::string> elsewhere = {"unshare",
                                              "--mount",
                                              "sh",
                                              "-ec",
                                              "mount --bind \"$0\" /etc/os-release; exec \"$@\"",
                                              (clone / "os-release").string()};
  WriteFile(clone / "debian/control", kAbsent);
  RunResult result = clone.Step("setup", {}, elsewhere);
  EXPECT_EQ(result.status.code, 1);
  EXPECT_NE(result.err.find("this is ubuntu 22.04, not Debian 12"), std::string::npos)
      << result.err;
  EXPECT_NE(result.err.find("missing packages: stx-no-such-package (>= 3)"), std::string::npos)
      << result.err;
  WriteFile(clone / "debian/control", kMet);
  result = clone.Step("setup", {}, elsewhere);
  EXPECT_TRUE(result.status.Success()) << result.err;
  EXPECT_NE(result.err.find("this is ubuntu 22.04, not Debian 12: continuing"), std::string::npos)
      << result.err;
}

/// On a disk with `free_kib` left, scripts/step/tree reports that the disk is full. Once there is
/// room, it continues as if nothing had happened.
void ExpectTold(int free_kib) {
  if (!CanMount()) GTEST_SKIP() << "a small disk (tmpfs) needs " << kMountNeeds;
  SCOPED_TRACE(std::to_string(free_kib) + " KiB left");
  Clone clone;
  clone.WritePatch("a", {{0, "II"}});
  clone.WriteSeries("a\n");
  TempDir results;
  WriteFile(results / "script", R"(
clone=${1:?} results=${2:?} kib=${3:?}
mkdir "$results/disk"
mount -t tmpfs -o size=64M none "$results/disk"
cp -a "$clone/." "$results/disk"
cd "$results/disk"
left=$(df --output=avail -k . | tail -n1)
head -c $(((left - kib) * 1024)) /dev/zero >filler
! scripts/step/tree 2>"$results/full"
ls -A qemu-7.2 >"$results/left"
rm filler
scripts/step/tree 2>"$results/room"
cp -a qemu-7.2/tree "$results")");
  RunResult result = Run({"unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-e",
                          (results / "script").string(), clone.path().string(),
                          results.path().string(), std::to_string(free_kib)},
                         Milliseconds(28000), clone.Environment());
  EXPECT_NE(ReadFile(results / "full").find("No space left on device"), std::string::npos)
      << ReadFile(results / "full");
  EXPECT_LT(ReadFile(results / "full").size(), 2000u) << "a message, not a line for each file";
  EXPECT_EQ(ReadFile(results / "left").find("tree"), std::string::npos);
  ASSERT_TRUE(result.status.Success()) << result.err << ReadFile(results / "room");
  ASSERT_TRUE(clone.Step("tree").status.Success());
  EXPECT_EQ(Difference(Content(clone / "qemu-7.2/tree"), Content(results / "tree")), "");
}

TEST(DiskFull, FromTheStart) { ExpectTold(0); }
TEST(DiskFull, WhileUnpacking) { ExpectTold(3 << 10); }
TEST(DiskFull, WhileCopyingTheTree) { ExpectTold(12 << 10); }

}  // namespace
}  // namespace stx
