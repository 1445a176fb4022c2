// SPDX-License-Identifier: GPL-2.0-or-later
// The package kata-containers, made from a tarball with the layout of upstream's release, and the
// input that is refused. $REPOSITORY is the folder of scripts/ and debian/.
#include "kata/release.h"

#include <gtest/gtest.h>

#include <toml++/toml.h>

#include "base/process.h"
#include "builder/builder.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

fs::path Repository() { return EnvOr("REPOSITORY", "."); }

/// The stdout of a shell command in `dir`. If the command fails, so does the test.
std::string Shell(const fs::path& dir, const std::string& command) {
  RunResult result =
      stx::Run({"sh", "-ec", "cd \"$0\"\n" + command, dir.string()}, Milliseconds(60000));
  EXPECT_TRUE(result.status.Success()) << command << ": " << result.err;
  return result.out;
}

/// A folder "release" with the layout of the unpacked kata-static-3.1.3-x86_64.tar.xz (small files
/// with the same names, links and modes), and its tarball.
class Release {
 public:
  Release() : dir_("kata") {
    Shell(dir_.path(), R"(
mkdir -p release/opt/kata/bin release/opt/kata/libexec release/opt/kata/share/kata-containers
mkdir -p release/opt/kata/share/defaults/kata-containers release/opt/kata/share/kata-qemu/qemu
cd release/opt/kata
for name in containerd-shim-kata-v2 kata-runtime kata-monitor kata-collect-data.sh cloud-hypervisor \
  firecracker jailer qemu-system-x86_64; do
  printf '#!/bin/sh\necho %s\n' $name >bin/$name
done
printf '#!/bin/sh\necho virtiofsd 1.3.0\n' >libexec/virtiofsd
echo nydusd >libexec/nydusd
chmod 0755 bin/* libexec/nydusd
chmod 0744 libexec/virtiofsd
mkdir -p runtime-rs/bin
echo shim >runtime-rs/bin/containerd-shim-kata-v2
echo firmware >share/kata-qemu/qemu/bios-256k.bin
cat >share/defaults/kata-containers/configuration-qemu.toml <<'END'
[hypervisor.qemu]
path = "/opt/kata/bin/qemu-system-x86_64"
kernel = "/opt/kata/share/kata-containers/vmlinux.container"
image = "/opt/kata/share/kata-containers/kata-containers.img"
# initrd = "/opt/kata/share/kata-containers/kata-containers-initrd.img"
enable_annotations = ["enable_iommu"]
valid_hypervisor_paths = ["/opt/kata/bin/qemu-system-x86_64"]
virtio_fs_daemon = "/opt/kata/libexec/virtiofsd"
valid_virtio_fs_daemon_paths = ["/opt/kata/libexec/virtiofsd"]
#disable_nesting_checks = true
#hotplug_vfio_on_root_bus = true
#pcie_root_port = 2
disable_guest_selinux=true
[agent.kata]
#dial_timeout = 30
[runtime]
sandbox_cgroup_only=false
END
cd share/kata-containers
echo kernel >vmlinux-5.19.2-100
echo compressed >vmlinuz-5.19.2-100
echo config >config-5.19.2
echo dragonball >vmlinux-5.19.2-dragonball-experimental
echo ubuntu >kata-ubuntu-latest.image
echo alpine >kata-alpine-3.15.initrd
ln -s vmlinux-5.19.2-100 vmlinux.container
ln -s vmlinuz-5.19.2-100 vmlinuz.container
ln -s kata-ubuntu-latest.image kata-containers.img
ln -s kata-alpine-3.15.initrd kata-containers-initrd.img)");
  }
  fs::path In(const std::string& name) const { return dir_ / "release/opt/kata" / name; }
  fs::path dir() const { return dir_.path(); }
  fs::path Pack() const {
    Shell(dir_.path(), "tar -C release -cJf kata-static.tar.xz ./opt");
    return dir_ / "kata-static.tar.xz";
  }
  std::string Sum() const {
    return Shell(dir_.path(), "sha256sum kata-static.tar.xz").substr(0, 64);
  }

 private:
  TempDir dir_;
};

std::vector<Selection> Selections() {
  return ReadSelections(Repository() / "debian/kata/release.toml");
}

RunResult Step(const Release& release, const std::string& sum) {
  return Run(
      {(Repository() / "scripts/step/kata").string(),
       (release.dir() / "kata-static.tar.xz").string(), sum, (release.dir() / "out").string()},
      Milliseconds(100000));
}

/// There is no package, and no leftover of a run.
void ExpectNothingMade(const Release& release) {
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(release.dir() / "out", none))
    ADD_FAILURE() << entry.path();
}

void ExpectRefused(const Release& release, const std::string& why) {
  try {
    Extract(release.dir() / "kata-static.tar.xz", Selections(), release.dir() / "root");
    FAIL() << "not refused";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("kata-static.tar.xz: " + why), std::string::npos)
        << error.what();
  }
}

TEST(KataPackage, HasEveryPathThatItsConfigurationNames) {
  Release release;
  release.Pack();
  RunResult result = Step(release, release.Sum());
  ASSERT_TRUE(result.status.Success()) << result.err;
  EXPECT_NE(result.err.find("NOT the pinned release"), std::string::npos) << result.err;
  Shell(release.dir(), "dpkg-deb -x out/kata-containers_*.deb root");
  const fs::path root = release.dir() / "root";
  auto exists = [&](const std::string& path) {
    return fs::exists(root / fs::path(path).relative_path());
  };

  const toml::table config =
      toml::parse_file((root / "etc/kata-containers/configuration-qemu.toml").string());
  const auto& qemu = config["hypervisor"]["qemu"];
  int paths = 0;
  for (const char* key : {"kernel", "image", "virtio_fs_daemon"}) {
    EXPECT_TRUE(exists(qemu[key].value_or(std::string("absent")))) << key;
    ++paths;
  }
  ASSERT_TRUE(qemu["valid_virtio_fs_daemon_paths"].as_array());
  for (const auto& path : *qemu["valid_virtio_fs_daemon_paths"].as_array())
    EXPECT_TRUE(exists(path.value_or(std::string("absent")))) << ++paths;
  EXPECT_EQ(qemu["path"].value_or(std::string()), "/usr/bin/qemu-system-x86_64-kata");
  // What the list of changes does not name stays as in the release. Without this key no container
  // starts.
  EXPECT_TRUE(qemu["disable_guest_selinux"].value_or(false));
  EXPECT_EQ(qemu["pcie_root_port"].value_or(0), 2);
  EXPECT_EQ(config["agent"]["kata"]["dial_timeout"].value_or(0), 45);
  EXPECT_EQ(paths, 3);

  const toml::table handler =
      toml::parse_file((root / "usr/share/kata-containers/containerd-kata.toml").string());
  const auto& runtime =
      handler["plugins"]["io.containerd.grpc.v1.cri"]["containerd"]["runtimes"]["kata"];
  EXPECT_EQ(runtime["runtime_type"].value_or(std::string()), "io.containerd.kata.v2");
  // Without it, containerd 1.6 does not load its CRI plugin if "kata" is named.
  EXPECT_EQ(handler["plugins"]["io.containerd.grpc.v1.cri"]["containerd"]["runtimes"]["runc"]
                   ["runtime_type"]
                       .value_or(std::string()),
            "io.containerd.runc.v2");
  // The runtime type determines the program's name: containerd-shim-NAME-VERSION.
  EXPECT_TRUE(exists("/usr/bin/containerd-shim-kata-v2"));
  EXPECT_TRUE(exists(runtime["options"]["ConfigPath"].value_or(std::string("absent"))));
  EXPECT_EQ(fs::read_symlink(root / "etc/kata-containers/configuration.toml"),
            "configuration-qemu.toml");

  EXPECT_EQ(ReadFile(root / "usr/share/kata-containers/vmlinux.container"), "kernel\n");
  EXPECT_EQ(fs::read_symlink(root / "usr/share/kata-containers/kata-containers.img"),
            "kata-ubuntu-latest.image");
  EXPECT_FALSE(exists("/usr/share/kata-containers/kata-alpine-3.15.initrd"));
  EXPECT_FALSE(exists("/opt"));
  EXPECT_EQ(fs::status(root / "usr/libexec/kata-containers/virtiofsd").permissions(),
            fs::perms(0755));
  EXPECT_EQ(ReadFile(root / "usr/lib/modules-load.d/kata-containers.conf"),
            ReadFile(Repository() / "debian/kata/modules-load.conf"));
  EXPECT_EQ(Shell(release.dir(), "dpkg-deb -I out/kata-containers_*.deb conffiles"),
            "/etc/kata-containers/configuration-qemu.toml\n");
}

TEST(KataPackage, IsNotMadeOfAReleaseWithoutAKeyThatIsChanged) {
  Release release;
  Shell(release.dir(),
        "sed -i /dial_timeout/d "
        "release/opt/kata/share/defaults/kata-containers/configuration-qemu.toml");
  release.Pack();
  const RunResult result = Step(release, release.Sum());
  EXPECT_EQ(result.status.code, 1);
  EXPECT_NE(result.err.find("has no key 'dial_timeout' in [agent.kata]"), std::string::npos)
      << result.err;
  ExpectNothingMade(release);
}

TEST(KataPackage, IsTheSameFromStarlingxsBuilder) {
  Release release;
  release.Pack();
  ASSERT_TRUE(Step(release, release.Sum()).status.Success());
  const RunResult result = stx::Run(
      {(Repository() / "scripts/step/starlingx-kata").string(), (release.dir() / "stx").string(),
       (release.dir() / "kata-static.tar.xz").string(), release.Sum()},
      Milliseconds(100000));
  ASSERT_TRUE(result.status.Success()) << result.err;
  Shell(release.dir(),
        "mkdir mirror work && cp kata-static.tar.xz mirror/kata-static-3.1.3-x86_64.tar.xz");
  const fs::path tree = BuildSource(release.dir() / "stx/integ/kata-containers/debian/bullseye",
                                    release.dir() / "mirror", release.dir() / "work");
  Shell(tree, "dpkg-buildpackage -b -uc -us -d");
  Shell(release.dir(),
        "for deb in out work; do dpkg-deb -x $deb/kata-containers_*.deb $deb/root\n"
        "(cd $deb/root && find . ! -path '*/doc/*' -printf '%M %p %l\\n' | sort) >$deb/list\n"
        "done");
  // The same files, modes, links and bytes.
  EXPECT_EQ(Shell(release.dir(), "diff out/list work/list || true"), "");
  EXPECT_EQ(Shell(release.dir(), "diff -r -x doc out/root work/root || true"), "");
  EXPECT_EQ(Shell(release.dir(), "dpkg-deb -f work/kata-containers_*.deb Version"),
            "3.1.3-1.stx.1\n");
}

TEST(KataPackage, IsMadeAgainWhenItIsGone) {
  Release release;
  release.Pack();
  ASSERT_TRUE(Step(release, release.Sum()).status.Success());
  Shell(release.dir(), "rm out/*.deb");
  ASSERT_TRUE(Step(release, release.Sum()).status.Success());
  Shell(release.dir(), "dpkg-deb -I out/kata-containers_*.deb");
}

TEST(KataPackage, TheLabRefusesAnotherTarballBeforeItMakesAnything) {
  Release release;
  release.Pack();
  const RunResult result = stx::Run({(Repository() / "scripts/lab").string(),
                                     "--kata=" + (release.dir() / "kata-static.tar.xz").string()},
                                    Milliseconds(100000));
  EXPECT_EQ(result.status.code, 1);
  EXPECT_NE(result.err.find("is not the release that debian/kata/release.toml pins"),
            std::string::npos)
      << result.err;
  EXPECT_EQ(result.err.find("making"), std::string::npos) << result.err;
}

TEST(KataPackage, AnotherTarballThanThePinnedOneIsRefusedWithBothSums) {
  Release release;
  release.Pack();
  RunResult result = Step(release, "pinned");
  EXPECT_EQ(result.status.code, 1);
  EXPECT_NE(result.err.find(release.Sum()), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("266c906222c85b67867dea3c9bdb58c6da0b656be3a29f9e0bed227c939f3f26"),
            std::string::npos)
      << result.err;
  ExpectNothingMade(release);
}

TEST(KataPackage, ATruncatedTarballIsRefusedEvenWithItsOwnSum) {
  Release release;
  const std::string bytes = ReadFile(release.Pack());
  WriteFile(release.dir() / "kata-static.tar.xz", bytes.substr(0, bytes.size() - 40));
  RunResult result = Step(release, release.Sum());
  EXPECT_EQ(result.status.code, 1);
  EXPECT_NE(result.err.find("kata-static.tar.xz: not a complete tarball"), std::string::npos)
      << result.err;
  ExpectNothingMade(release);
}

TEST(KataPackage, ASumThatIsNoneIsRefused) {
  Release release;
  release.Pack();
  RunResult result = Step(release, "266c");
  EXPECT_EQ(result.status.code, 2);
  EXPECT_NE(result.err.find("266c: a SHA-256 sum has 64 hexadecimal digits"), std::string::npos)
      << result.err;
}

TEST(KataRelease, WithoutAFileItIsNamed) {
  Release release;
  fs::remove(release.In("libexec/virtiofsd"));
  release.Pack();
  ExpectRefused(release, "opt/kata/libexec/virtiofsd: not in the tarball");
}

TEST(KataRelease, ALinkThatLeadsNowhereIsNamedWithItsTarget) {
  Release release;
  fs::remove(release.In("share/kata-containers/vmlinux-5.19.2-100"));
  release.Pack();
  ExpectRefused(release,
                "opt/kata/share/kata-containers/vmlinux.container: leads to "
                "opt/kata/share/kata-containers/vmlinux-5.19.2-100, which is not in the tarball");
}

TEST(KataRelease, LinksInACircleEnd) {
  Release release;
  const fs::path link = release.In("share/kata-containers/kata-containers.img");
  fs::remove(link);
  fs::create_symlink("kata-containers.img", link);
  release.Pack();
  ExpectRefused(release,
                "opt/kata/share/kata-containers/kata-containers.img: a link that leads to itself");
}

TEST(KataRelease, AFolderIsNoFile) {
  Release release;
  fs::remove(release.In("bin/kata-runtime"));
  fs::create_directory(release.In("bin/kata-runtime"));
  release.Pack();
  ExpectRefused(release, "opt/kata/bin/kata-runtime: neither a file nor a link");
}

TEST(KataRelease, WhatIsNoTarballIsNamed) {
  Release release;
  WriteFile(release.dir() / "kata-static.tar.xz", "<html>not found</html>");
  ExpectRefused(release, "not a complete tarball");
}

TEST(KataManifest, APathThatLeavesThePackageIsRefusedWithItsLine) {
  TempDir dir;
  WriteFile(dir / "release.toml", "[release]\n[[file]]\nfrom = \"a\"\nto = \"../../etc/passwd\"\n");
  try {
    ReadSelections(dir / "release.toml");
    FAIL() << "not refused";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("release.toml:2: [[file]] needs 'to'"),
              std::string::npos)
        << error.what();
  }
}

TEST(KataPaths, WhatIsNoTomlIsNamedWithItsLine) {
  TempDir dir;
  WriteFile(dir / "c.toml", "[a]\nb = \n");
  try {
    FindConfiguredPaths(dir / "c.toml");
    FAIL() << "not refused";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("c.toml:2: "), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace stx
