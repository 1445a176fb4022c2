// SPDX-License-Identifier: GPL-2.0-or-later
// A Debian archive in a folder, with small source packages that stand for the base: scripts/step/*
// work on it as on the real one, without a network and in tenths of a second.
#pragma once

#include <string>

#include "base/os.h"

namespace stx {

class Archive {
 public:
  /// Empty; Offer() fills it.
  Archive();
  /// One that offers kPinned and an older one; not to be changed.
  static const Archive& Shared();
  static constexpr char kPinned[] = "1:7.2+dfsg-7+deb12u18";
  /// Makes and indexes the source package qemu VERSION, as "1:7.2+dfsg-7+deb12u18". Its tree:
  /// configure        makes a qemu-system-x86_64 that prints its --with-pkgversion
  /// hw/N.c           kSources files of the lines "one" to "nine" and, 10th, the version
  /// big              kBigBytes zeros: nothing in the tarball, but not on the disk
  /// roms/, debian/   as the real one has them
  void Offer(const std::string& version);
  /// The text of a qemu-7.2/base.toml that pins `version`, offered or not.
  std::string Pin(const std::string& version) const;
  /// An apt configuration whose only source is this archive (for APT_CONFIG).
  std::filesystem::path AptConfig() const { return dir_ / "apt.conf"; }
  /// apt goes on only if the archive is signed; this one is not, but marked as trusted.
  void SetTrusted(bool trusted);

  static constexpr int kSources = 60;
  static constexpr size_t kBigBytes = 8 << 20;

 private:
  void Index();

  TempDir dir_;
  std::filesystem::path pool_;
};

}  // namespace stx
