// SPDX-License-Identifier: GPL-2.0-or-later
// The folder virt/qemu that scripts/deb --starlingx writes, in StarlingX's builder. $REPOSITORY is
// where the scripts and the fetched base are.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

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

TEST(StarlingxFolder, OfQemuBuildsInASystemOfItsDebian) {
  // scripts/deb --starlingx FOLDER --try: $STARLINGX is FOLDER, $SYSTEM has the Build-Depends.
  const fs::path folder = EnvOr("STARLINGX", "");
  if (folder.empty()) GTEST_SKIP() << "$STARLINGX names no folder (scripts/deb --starlingx --try)";
  const fs::path repository = EnvOr("REPOSITORY", ".");
  TempDir dir("builder");
  BuildSource(folder / "virt/qemu/debian/bullseye", repository / "cache/base", dir.path());
  fs::create_directory(dir / "build");
  RunWell({"bash", "-c", R"sh(
. "$1/scripts/lib.sh"
mkdir -p "$CCACHE_DIR"
binds=("$2" /build "$CCACHE_DIR" /ccache)
inside_unshare=--net
cp "$3"/qemu_*.orig.tar.xz "$3"/qemu_*.stx.1.dsc "$3"/qemu_*.stx.1.debian.tar.xz "$2"
inside "$SYSTEM" 'cd /build && dpkg-source -x *.dsc qemu && cd qemu
  export CCACHE_DIR=/ccache PATH=/usr/lib/ccache:$PATH
  dpkg-buildpackage -b -uc -us' >"$2/log" 2>&1)sh",
           "builder", repository.string(), (dir / "build").string(), dir.path().string()},
          "the builder's dpkg-buildpackage", Milliseconds(7200000));
  std::set<std::string> packages;
  for (const auto& entry : fs::directory_iterator(dir / "build")) {
    const std::string name = entry.path().filename();
    if (!name.ends_with(".deb") || name.find("-dbgsym_") != std::string::npos) continue;
    EXPECT_NE(name.find("+stx1~deb11u1.stx.1_"), std::string::npos) << name;
    packages.insert(name.substr(0, name.find('_')));
  }
  EXPECT_EQ(packages, (std::set<std::string>{"qemu-block-extra", "qemu-guest-agent", "qemu-kata",
                                             "qemu-system-common", "qemu-system-data",
                                             "qemu-system-x86", "qemu-utils"}));
}

}  // namespace
}  // namespace stx
