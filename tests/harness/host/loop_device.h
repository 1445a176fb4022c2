// SPDX-License-Identifier: GPL-2.0-or-later
// A block device of the host with a file behind it (loop(4)), for what takes no regular file.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/os.h"

namespace stx {

class LoopDevice {
 public:
  /// Unset, with the reason in `why_not`, where none can be had.
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
