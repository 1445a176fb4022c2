// SPDX-License-Identifier: GPL-2.0-or-later
#include "kata/toml.h"

#include <stdexcept>
#include <string>

#include "base/os.h"

namespace stx {

toml::table ParseToml(const std::filesystem::path& file) {
  return ParseToml(ReadFile(file), file.string());
}

toml::table ParseToml(std::string_view text, std::string_view name) {
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    throw std::runtime_error(std::string(name) + ":" + std::to_string(error.source().begin.line) +
                             ": " + std::string(error.description()));
  }
}

}  // namespace stx
