// SPDX-License-Identifier: GPL-2.0-or-later
// TOML with error messages that name file and line.
#pragma once

#include <toml++/toml.h>
#include <filesystem>
#include <string_view>

namespace stx {

/// Throws a message that begins with "FILE:LINE: ".
toml::table ParseToml(const std::filesystem::path& file);
/// The same for a text. `name` stands for the file in the message.
toml::table ParseToml(std::string_view text, std::string_view name);

}  // namespace stx
