// SPDX-License-Identifier: GPL-2.0-or-later
// What a booted pod must show, and the summary that run and podrun print.
#pragma once

#include <filesystem>
#include <string>

#include "guest/pod.h"

namespace stx {

/// The first line of --version; throws a sentence when `path` is no x86_64 system QEMU.
std::string QemuVersion(const std::filesystem::path& path);

std::string RandomBytes(size_t count);

/// Bytes in both directions through the share; "" or what went wrong.
std::string ShareFailure(Pod& pod);

/// The guest's root must be this image, on the device asked for, ext4, and refuse writes: "" or
/// what is otherwise. `info` is guestd's.
std::string RootFailure(const json& info, const std::string& device, const std::string& id);

/// The id that mkguest gave the files in `guest`, which the booted guest's info shows.
std::string GuestId(const std::filesystem::path& guest);

bool HasNic(const json& nets, const std::string& mac);

}  // namespace stx
