// SPDX-License-Identifier: GPL-2.0-or-later
// The one way to wait for something that gives no sign of its own: ask until it is so.
#pragma once

#include <functional>
#include <string>

#include "base/os.h"

namespace stx {

/// Calls `holds` until it returns true, with a pause after each time: `pause`, or when that is
/// zero, one that grows from 1 ms to 20 ms. Throws std::runtime_error, "WHAT: not within N s", when
/// it still returned false after `deadline`. What `holds` throws ends the wait.
///
/// A descriptor is waited for with WaitFor, a QMP event with Qmp::WaitEvent: they need no pause.
void WaitUntil(const std::string& what, const Deadline& deadline,
               const std::function<bool()>& holds, Milliseconds pause = Milliseconds(0));

/// The same without the exception: false when it was not so in time.
bool HoldsBefore(const Deadline& deadline, const std::function<bool()>& holds,
                 Milliseconds pause = Milliseconds(0));

}  // namespace stx
