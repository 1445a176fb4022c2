// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/waiting.h"

#include <algorithm>
#include <stdexcept>
#include <thread>

namespace stx {
namespace {

constexpr Milliseconds kFirstPause{1}, kLongestPause{20};

}  // namespace

bool HoldsBefore(const Deadline& deadline, const std::function<bool()>& holds, Milliseconds pause) {
  const bool grows = pause == Milliseconds(0);
  if (grows) pause = kFirstPause;
  for (;;) {
    // Check once more after the deadline, because this process may have slept until then.
    const bool last = deadline.Passed();
    if (holds()) return true;
    if (last) return false;
    std::this_thread::sleep_for(std::min(pause, Milliseconds(deadline.PollMs() + 1)));
    if (grows) pause = std::min(2 * pause, kLongestPause);
  }
}

void WaitUntil(const std::string& what, const Deadline& deadline,
               const std::function<bool()>& holds, Milliseconds pause) {
  if (HoldsBefore(deadline, holds, pause)) return;
  const auto ms = deadline.length().count();
  throw std::runtime_error(
      what + ": not within " +
      (ms % 1000 ? std::to_string(ms) + " ms" : std::to_string(ms / 1000) + " s"));
}

}  // namespace stx
