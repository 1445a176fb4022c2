// SPDX-License-Identifier: GPL-2.0-or-later
// A Debian archive in a folder, with small source packages that stand for the base. scripts/step/*
// work on it as on the real archive, without a network and within tenths of a second.
#pragma once

#include <string>

#include "base/os.h"

namespace stx {

class Archive {
 public:
  /// It is empty at first; Offer() fills it.
  Archive();
  /// An archive that offers kPinned and an older version. It must not be changed.
  static const Archive& Shared();
  static constexpr char kPinned[] = "1:7.2+dfsg-7+deb12u18";
  /// Makes and indexes the source package qemu VERSION, such as "1:7.2+dfsg-7+deb12u18". Its tree:
  ///   configure        makes a qemu-system-x86_64 that prints its --with-pkgversion
  ///   hw/N.c           kSources files with the lines "one" to "nine" and the version as the 10th
  ///   big              kBigBytes zeros, which take space on the disk but not in the tarball
  ///   roms/, debian/   as in the real package
  void Offer(const std::string& version);
  /// The text of a qemu-7.2/base.toml that pins `version`, whether the archive offers it or not.
  std::string Pin(const std::string& version) const;
  /// An apt configuration whose only source is this archive (for APT_CONFIG).
  std::filesystem::path AptConfig() const { return dir_ / "apt.conf"; }
  /// apt requires a signed archive. This one is not signed, but is marked as trusted.
  void SetTrusted(bool trusted);

  static constexpr int kSources = 60;
  static constexpr size_t kBigBytes = 8 << 20;

 private:
  void Index();

  TempDir dir_;
  std::filesystem::path pool_;
};

}  // namespace stx
