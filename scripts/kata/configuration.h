// SPDX-License-Identifier: GPL-2.0-or-later
// Our configuration of Kata: the file that the release ships, with a list of changes. Kata 3.1.3
// takes a key that its file lacks as false or empty, whatever its documentation calls the default,
// so a file of our own would have to name every key of every release.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace stx {

/// One [[change]] of debian/kata/configuration-changes.toml.
struct ConfigurationChange {
  std::string section;  ///< "hypervisor.qemu", as the release's file heads it
  std::string key;
  std::string value;   ///< as TOML writes it
  std::string reason;  ///< becomes a comment above the key
  int line = 0;        ///< of the list
};

/// Reads the [[change]] tables of `list`. Throws a message that names the file and the line of a
/// table that lacks a field or changes a key for the second time.
std::vector<ConfigurationChange> ReadConfigurationChanges(const std::filesystem::path& list);

/// The TOML text `release` with every change made where it has the key, commented out or not, in
/// that section; all other bytes stay. Throws a message that names `list`, the line and the key
/// when the release has no such key there.
std::string ApplyConfigurationChanges(std::string_view release,
                                      const std::vector<ConfigurationChange>& changes,
                                      const std::filesystem::path& list);

}  // namespace stx
