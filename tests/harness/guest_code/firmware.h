// SPDX-License-Identifier: GPL-2.0-or-later
// Firmware images for guests of our own.
#pragma once

#include <string>
#include <string_view>

namespace stx {

/// A 64 KiB image for -bios that is zero except for `code`, which the CPU runs after reset, in real
/// mode at F000:0000.
std::string MakeFirmware(std::string_view code);

}  // namespace stx
