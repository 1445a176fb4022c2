// SPDX-License-Identifier: GPL-2.0-or-later
// Kata's configuration as a variant of what is installed on the node.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/os.h"

namespace stx {

/// A key of the configuration and its TOML value: {"hypervisor.qemu", "shared_fs",
/// "\"virtio-9p\""}.
struct KataKey {
  std::string section, key, value;
};

/// A copy of /etc/kata-containers/configuration-qemu.toml with other values, for the time of this
/// object. Each key must be there, as a value or commented out: Kata ignores one that it does not
/// know.
class KataConfiguration {
 public:
  /// Throws if the file has no such key in that section.
  explicit KataConfiguration(const std::vector<KataKey>& keys);

  /// ctr's flags for a container, or a pod's first container, that obeys it.
  std::vector<std::string> Flags() const;

 private:
  TempDir dir_{"kata-configuration"};
};

}  // namespace stx
