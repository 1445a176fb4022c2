// SPDX-License-Identifier: GPL-2.0-or-later
// What a booted pod must show.
#pragma once

#include <filesystem>
#include <string>

#include "kata/pod.h"

namespace stx {

/// The first line of --version. Throws std::invalid_argument when `path` is not a QEMU for x86_64
/// machines.
std::string ReadQemuVersion(const std::filesystem::path& path);

/// Bytes in both directions through the share; "" or what went wrong.
std::string CheckShare(Pod& pod);

/// The guest's root must be this image, on the device asked for, ext4, and refuse writes: "" or
/// what is otherwise. `info` is guestd's.
std::string CheckRoot(const json& info, const std::string& device, const std::string& id);

/// The id that mkguest gave the files in `guest`, which the booted guest's info shows.
std::string ReadGuestId(const std::filesystem::path& guest);

}  // namespace stx
