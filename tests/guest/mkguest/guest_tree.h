// SPDX-License-Identifier: GPL-2.0-or-later
// The files of a guest, which are the same for the initramfs and the root image, and the format of
// the initramfs.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "guest/mkguest/modules.h"

namespace stx {

struct GuestFile {
  enum Kind { kFolder, kFile, kLink };
  std::string path;  // without a leading /; a folder comes before its contents
  Kind kind;
  std::string content;  // the bytes of a file or the target of a link
  unsigned mode = 0755;
};

/// Mount points, /sbin/init (guestd), /etc/os-release, /guest-id with `id`, and, unless `busybox`
/// is empty, /bin/busybox with links for the commands that a person types. Throws if a program is
/// not static.
std::vector<GuestFile> MakeGuestTree(const std::filesystem::path& guestd,
                                     const std::filesystem::path& busybox, const std::string& id);
/// Adds /init, /modules/NAME.ko and /modules/list, which has the names in loading order.
void AddStageOne(const std::vector<Module>& modules, std::vector<GuestFile>* tree);

/// The tree as an uncompressed "newc" cpio archive. Everything is owned by root, with time 0.
std::string MakeCpio(const std::vector<GuestFile>& tree);

}  // namespace stx
