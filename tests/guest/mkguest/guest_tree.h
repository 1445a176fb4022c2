// SPDX-License-Identifier: GPL-2.0-or-later
// The files of a guest, the same for the initramfs and the root image, and the initramfs's format.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "guest/mkguest/modules.h"

namespace stx {

struct Node {
  enum Kind { kFolder, kFile, kLink };
  std::string path;  // without / in front; a folder comes before what is in it
  Kind kind;
  std::string content;  // a file's bytes, a link's target
  unsigned mode = 0755;
};

/// Folders to mount on, /sbin/init (guestd), /etc/os-release, /guest-id with `id`, and, unless
/// `busybox` is empty, /bin/busybox with links for what a person types. Throws when a program is
/// not static.
std::vector<Node> GuestTree(const std::filesystem::path& guestd,
                            const std::filesystem::path& busybox, const std::string& id);
/// Adds /init, /modules/NAME.ko and /modules/list, the names in loading order.
void AddStageOne(const std::vector<Module>& modules, std::vector<Node>* tree);

/// The tree as an uncompressed "newc" cpio archive, all owned by root, at time 0.
std::string Cpio(const std::vector<Node>& tree);

}  // namespace stx
