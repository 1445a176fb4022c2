// SPDX-License-Identifier: GPL-2.0-or-later
// A block device of the host that is backed by a file (loop(4)), for tests that cannot use a
// regular file.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/os.h"

namespace stx {

class LoopDevice {
 public:
  /// Unset, with the reason in `why_not`, if the machine does not offer loop devices.
  static std::optional<LoopDevice> Make(const std::filesystem::path& file, std::string* why_not);
  LoopDevice(LoopDevice&&) = default;
  ~LoopDevice();

  /// "/dev/loop3".
  const std::filesystem::path& path() const { return path_; }

 private:
  LoopDevice() = default;
  UniqueFd device_;
  std::filesystem::path path_;
};

}  // namespace stx
