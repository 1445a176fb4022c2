// SPDX-License-Identifier: GPL-2.0-or-later
// Checks of a booted pod.
#pragma once

#include <filesystem>
#include <string>

#include "kata/pod.h"

namespace stx {

/// The first line of --version. Throws std::invalid_argument if `path` is not a QEMU for x86_64
/// machines.
std::string ReadQemuVersion(const std::filesystem::path& path);

/// Transfers bytes through the share in both directions; returns "" or what went wrong.
std::string CheckShare(Pod& pod);

/// The guest's root must be this image, on the expected device, as ext4, and read-only. Returns ""
/// or what differs. `info` comes from guestd.
std::string CheckRoot(const json& info, const std::string& device, const std::string& id);

/// The id that mkguest wrote into the files in `guest`, and that the booted guest reports.
std::string ReadGuestId(const std::filesystem::path& guest);

}  // namespace stx
