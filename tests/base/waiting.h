// SPDX-License-Identifier: GPL-2.0-or-later
// The one way to wait for a condition that can only be polled.
#pragma once

#include <functional>
#include <string>

#include "base/os.h"

namespace stx {

/// Calls `holds` until it returns true, and pauses after each call: for `pause`, or if that is
/// zero, for a time that grows from 1 ms to 20 ms. Throws std::runtime_error, "WHAT: not within N
/// s", if it still returns false at the deadline. An exception from `holds` ends the wait.
///
/// To wait for a descriptor, use WaitFor; for a QMP event, use Qmp::WaitEvent. They need no pauses.
void WaitUntil(const std::string& what, const Deadline& deadline,
               const std::function<bool()>& holds, Milliseconds pause = Milliseconds(0));

/// Like WaitUntil, but returns false at the deadline instead of throwing.
bool HoldsBefore(const Deadline& deadline, const std::function<bool()>& holds,
                 Milliseconds pause = Milliseconds(0));

}  // namespace stx
