// SPDX-License-Identifier: GPL-2.0-or-later
// Firmware of our own.
#pragma once

#include <string>
#include <string_view>

namespace stx {

/// An image for -bios: 64 KiB, zeros but for `code`, which a CPU runs from reset in real mode at
/// F000:0000.
std::string Firmware(std::string_view code);

}  // namespace stx
