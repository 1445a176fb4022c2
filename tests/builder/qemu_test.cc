// SPDX-License-Identifier: GPL-2.0-or-later
// The folder virt/qemu that scripts/deb --starlingx writes, in StarlingX's builder. $REPOSITORY is
// where the scripts and the fetched base are.
#include <gtest/gtest.h>

#include "base/process.h"
#include "builder/builder.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

TEST(StarlingxFolder, OfQemuBecomesOurSourcePackage) {
  const fs::path repository = EnvOr("REPOSITORY", ".");
  if (!fs::exists(repository / "cache/base/current"))
    GTEST_SKIP() << "the base is not fetched (scripts/step/fetch)";
  TempDir dir("builder");
  RunWell({(repository / "scripts/step/starlingx").string(), (dir / "stx").string()},
          "scripts/step/starlingx", Milliseconds(500000));
  fs::create_directory(dir / "work");
  const fs::path tree =
      BuildSource(dir / "stx/virt/qemu/debian/bullseye", repository / "cache/base", dir / "work");
  EXPECT_EQ(tree, dir / "work/qemu-7.2+dfsg");

  // Its packaging is that of our own source package for Debian 11.
  fs::create_directory(dir / "ours");
  const std::string differences =
      stx::Run(
          {"sh", "-c",
           "tar -C \"$1\" -xf \"$2\"/build/deb-bullseye/source/qemu_*.debian.tar.xz\n"
           "diff -r -x changelog -x files -x patches -x stx -x tests \"$1/debian\" \"$3/debian\"\n"
           "diff -r \"$1/debian/stx/meson-overrides\" \"$3/debian/stx/meson-overrides\"\n"
           "diff \"$1/debian/stx/scripts/step/profile\" \"$3/debian/stx/scripts/step/profile\"",
           "sh", (dir / "ours").string(), repository.string(), tree.string()},
          Milliseconds(100000))
          .out;
  EXPECT_EQ(differences, "");
  EXPECT_NE(
      fs::status(tree / "debian/stx/scripts/step/profile").permissions() & fs::perms::owner_exec,
      fs::perms::none);
  // The series is Debian's and then ours, whole, and dpkg-source, which lets no patch fuzz, has
  // made a package with it.
  const std::string series =
      RunWell(
          {"sh", "-ec", "tar -xOf \"$1\"/qemu_*deb11u1.stx.1.debian.tar.xz debian/patches/series",
           "sh", (dir / "work").string()},
          "the new package's series", Milliseconds(100000))
          .out;
  const std::string ours = ReadFile(dir / "stx/virt/qemu/debian/bullseye/patches/series");
  EXPECT_TRUE(series.ends_with(ours)) << series;
  EXPECT_GT(series.size(), ours.size());
  EXPECT_GT(std::count(ours.begin(), ours.end(), '\n'), 50);
}

}  // namespace
}  // namespace stx
