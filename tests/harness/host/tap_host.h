// SPDX-License-Identifier: GPL-2.0-or-later
// The Linux host at the other end of a tap: 10.0.0.1 and fd00::1, in the tap's network namespace.
#pragma once

#include <cstdint>
#include <functional>

#include "harness/host/tap.h"

namespace stx {

/// Runs `work` in the tap's network namespace, on a thread of its own, and waits for it. Rethrows
/// its exception.
void RunInNamespace(const Tap& tap, const std::function<void()>& work);
/// Gives the tap the addresses 10.0.0.1/24 and fd00::1/64. Throws if the kernel refuses.
void AddHostAddresses(const Tap& tap);
/// A UDP socket in the tap's namespace, bound to 10.0.0.1 and `port`.
UniqueFd BindHostUdp(const Tap& tap, uint16_t port);

}  // namespace stx
