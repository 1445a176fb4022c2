// SPDX-License-Identifier: GPL-2.0-or-later
// Our configuration of Kata: the file of the release, with a list of changes. If a key is missing
// from its file, Kata 3.1.3 treats it as false or empty, whatever default its documentation states.
// A file of our own would therefore have to name every key of every release.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace stx {

/// One [[change]] of debian/kata/configuration-changes.toml.
struct ConfigurationChange {
  std::string section;  ///< "hypervisor.qemu", as in the header of the release's file
  std::string key;
  std::string value;   ///< in TOML syntax
  std::string reason;  ///< becomes a comment above the key
  int line = 0;        ///< in the list
};

/// Reads the [[change]] tables of `list`. Throws a message with file and line for a table that
/// lacks a field or changes a key a second time.
std::vector<ConfigurationChange> ReadConfigurationChanges(const std::filesystem::path& list);

/// The TOML text `release` with every change made where that section has the key, commented out or
/// not. All other bytes are kept. Throws a message with `list`, the line and the key if the release
/// does not have the key there.
std::string ApplyConfigurationChanges(std::string_view release,
                                      const std::vector<ConfigurationChange>& changes,
                                      const std::filesystem::path& list);

}  // namespace stx
