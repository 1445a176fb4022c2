// SPDX-License-Identifier: GPL-2.0-or-later
/// Progress messages of long operations.
#pragma once

#include <chrono>
#include <functional>
#include <string>

namespace restack {

/// Called with a message when a long step begins, and every few seconds while it goes on. Steps
/// that run in several threads call it one at a time.
using Progress = std::function<void(const std::string&)>;

/// Tells when the next message of a long step is due.
class Pace {
 public:
  bool Due() {
    auto now = std::chrono::steady_clock::now();
    if (now < next_) return false;
    next_ = now + kBetween;
    return true;
  }

 private:
  static constexpr std::chrono::seconds kBetween{2};
  std::chrono::steady_clock::time_point next_ = std::chrono::steady_clock::now() + kBetween;
};

}  // namespace restack
