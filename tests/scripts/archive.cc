// SPDX-License-Identifier: GPL-2.0-or-later
#include "scripts/archive.h"

#include <stdexcept>

#include "base/process.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

/// The stdout of a shell command in `dir`; throws if it fails.
std::string Shell(const fs::path& dir, const std::string& command) {
  RunResult result = Run({"sh", "-ec", "cd \"$0\"\n" + command, dir.string()}, Milliseconds(20000));
  if (!result.status.Success()) throw std::runtime_error(command + ": " + result.err);
  return result.out;
}

constexpr char kConfigure[] = R"sh(#!/bin/sh
for argument; do
  case $argument in --with-pkgversion=*) label=${argument#*=} ;; esac
done
printf '#!/bin/sh\necho "QEMU emulator version 7.2.22 (%s)"\n' "$label" >binary
cat >build.ninja <<END
rule copy
  command = cp \$in \$out && chmod +x \$out
build qemu-system-x86_64: copy binary
END
)sh";

std::string WithoutEpoch(const std::string& version) {
  return version.substr(version.find(':') + 1);
}

}  // namespace

Archive::Archive() : dir_("archive"), pool_(dir_ / "pool") {
  fs::create_directories(pool_ / "dists/bookworm/main/source");
  fs::create_directories(pool_ / "dists/bookworm/main/binary-amd64");
  fs::create_directory(dir_ / "sources");
  WriteFile(AptConfig(), "Dir::Etc::sourcelist \"" + (dir_ / "none").string() +
                             "\";\nDir::Etc::sourceparts \"" + (dir_ / "sources").string() +
                             "\";\n");
  SetTrusted(true);
  const fs::path tree = dir_ / "qemu-7.2";
  fs::create_directories(tree / "hw");
  fs::create_directory(tree / "roms");
  for (int i = 0; i < kSources; ++i)
    WriteFile(tree / "hw" / (std::to_string(i) + ".c"),
              "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\n");
  WriteFile(tree / "big", std::string(kBigBytes, '\0'));
  WriteFile(tree / "roms/firmware", "not needed\n");
  WriteFile(tree / "configure", kConfigure);
  fs::permissions(tree / "configure", fs::perms(0755));
  Shell(dir_.path(), "tar -cJf original.tar.xz qemu-7.2");
}

const Archive& Archive::Shared() {
  static const Archive archive = [] {
    Archive made;
    made.Offer("1:7.2+dfsg-7+deb12u3");
    made.Offer(kPinned);
    return made;
  }();
  return archive;
}

void Archive::SetTrusted(bool trusted) {
  WriteFile(dir_ / "sources/archive.list", std::string("deb ") + (trusted ? "[trusted=yes] " : "") +
                                               "file:" + pool_.string() + " bookworm main\n");
}

void Archive::Offer(const std::string& version) {
  const fs::path debian = dir_ / "debian";
  fs::create_directories(debian / "source");
  fs::create_directories(debian / "patches");
  WriteFile(debian / "source/format", "3.0 (quilt)\n");
  WriteFile(debian / "changelog", "qemu (" + version +
                                      ") bookworm; urgency=low\n\n  * Test.\n\n"
                                      " -- T <t@localhost>  Mon, 01 Jan 2024 00:00:00 +0000\n");
  WriteFile(debian / "patches/series", "version\n");
  std::string patch;
  for (int i = 0; i < kSources; ++i) {
    const std::string file = "hw/" + std::to_string(i) + ".c";
    patch += "--- a/" + file + "\n+++ b/" + file + "\n@@ -7,3 +7,4 @@\n seven\n eight\n nine\n+" +
             version + "\n";
  }
  WriteFile(debian / "patches/version", patch);
  // Without dpkg-source, which would apply the patches in order to compare, and take seconds.
  Shell(pool_, "version='" + version + R"sh('
file=${version#*:}
original=qemu_${file%-*}.orig.tar.xz
[ -e $original ] || cp ../original.tar.xz $original
tar -cJf qemu_$file.debian.tar.xz -C .. debian
list() { for f in $original qemu_$file.debian.tar.xz; do
  echo " $($1 $f | cut -d' ' -f1) $(stat -c %s $f) $f"; done; }
{ printf 'Format: 3.0 (quilt)\nSource: qemu\nBinary: qemu\nArchitecture: any\n'
  printf 'Version: %s\nMaintainer: T <t@localhost>\nStandards-Version: 4.6.2\n' $version
  echo Checksums-Sha256:; list sha256sum; echo Files:; list md5sum; } >qemu_$file.dsc)sh");
  Index();
}

void Archive::Index() {
  Shell(pool_, R"(
dpkg-scansources . >dists/bookworm/main/source/Sources
cd dists/bookworm
: >main/binary-amd64/Packages
{ printf 'Suite: bookworm\nCodename: bookworm\nComponents: main\nArchitectures: amd64\n'
  printf 'Date: Mon, 01 Jan 2024 00:00:00 UTC\nSHA256:\n'
  for file in main/source/Sources main/binary-amd64/Packages; do
    echo " $(sha256sum $file | cut -d' ' -f1) $(stat -c %s $file) $file"
  done; } >Release)");
}

std::string Archive::Pin(const std::string& version) const {
  std::string toml =
      "[base]\nname = \"qemu\"\nversion = \"" + version + "\"\naccept = \"1:7.2+dfsg-\"\n";
  const std::string stem = "qemu_" + WithoutEpoch(version);
  for (const std::string& name :
       {stem + ".dsc", stem + ".debian.tar.xz", std::string("qemu_7.2+dfsg.orig.tar.xz")}) {
    std::string sum = fs::exists(pool_ / name)
                          ? Shell(pool_, "sha256sum '" + name + "'").substr(0, 64)
                          : std::string(64, '0');
    toml += "\n[[artifact]]\nname = \"" + name + "\"\nsha256 = \"" + sum + "\"\n";
  }
  return toml;
}

}  // namespace stx
