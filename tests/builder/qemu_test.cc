// SPDX-License-Identifier: GPL-2.0-or-later
// The folders that scripts/deb --starlingx writes, in StarlingX's builder. $REPOSITORY is where the
// scripts and the fetched base are.
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
  // scripts/deb --starlingx FOLDER --try
  const fs::path folder = EnvOr("STARLINGX", "");
  if (folder.empty()) GTEST_SKIP() << "$STARLINGX names no folder (scripts/deb --starlingx --try)";
  TempDir dir("builder");
  BuildSource(folder / "virt/qemu/debian/bullseye",
              fs::path(EnvOr("REPOSITORY", ".")) / "cache/base", dir.path());
  std::set<std::string> packages;
  for (const std::string& deb : BuildPackages(dir.path())) {
    EXPECT_NE(deb.find("+stx1~deb11u1.stx.1_"), std::string::npos) << deb;
    packages.insert(deb.substr(0, deb.find('_')));
  }
  EXPECT_EQ(packages, (std::set<std::string>{"qemu-block-extra", "qemu-guest-agent", "qemu-kata",
                                             "qemu-system-common", "qemu-system-data",
                                             "qemu-system-x86", "qemu-utils"}));
}

TEST(StarlingxFolder, OfKataContainersBuildsInASystemOfItsDebian) {
  // scripts/deb --starlingx FOLDER --kata TARBALL --try
  const fs::path folder = EnvOr("STARLINGX", ""), tarball = EnvOr("TARBALL", "");
  if (folder.empty() || tarball.empty())
    GTEST_SKIP() << "$STARLINGX and $TARBALL name nothing (scripts/deb --starlingx --kata --try)";
  TempDir dir("builder");
  BuildSource(folder / "integ/kata-containers/debian/bullseye", tarball.parent_path(), dir.path());
  const std::vector<std::string> packages = BuildPackages(dir.path());
  ASSERT_EQ(packages.size(), 1U);
  EXPECT_TRUE(packages[0].starts_with("kata-containers_3.1.3-1.stx.1_")) << packages[0];

  // Each file of the release is there with its bytes; the configuration is changed by our patch.
  const fs::path out = dir / "build/files";
  RunWell({"dpkg-deb", "-x", dir / "build" / packages[0], out.string()}, packages[0],
          Milliseconds(500000));
  fs::create_directory(dir / "release");
  RunWell({"tar", "-C", dir / "release", "-xf", tarball.string()}, tarball, Milliseconds(500000));
  const std::string shim =
      RunWell({"find", dir / "release", "-name", "containerd-shim-kata-v2", "-type", "f"}, "find",
              Milliseconds(100000))
          .out;
  EXPECT_EQ(ReadFile(out / "usr/bin/containerd-shim-kata-v2"),
            ReadFile(shim.substr(0, shim.find('\n'))));
  const std::string configuration = ReadFile(out / "etc/kata-containers/configuration-qemu.toml");
  EXPECT_NE(configuration.find("qemu-system-x86_64-kata\""), std::string::npos) << configuration;
}

}  // namespace
}  // namespace stx
