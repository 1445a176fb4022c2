// SPDX-License-Identifier: GPL-2.0-or-later
// The Linux host at the other end of a tap: 10.0.0.1 and fd00::1, in the tap's network namespace.
#pragma once

#include <cstdint>

#include "harness/host/tap.h"

namespace stx {

/// Gives the tap 10.0.0.1/24 and fd00::1/64. Throws when the kernel does not take them.
void AddHostAddresses(const Tap& tap);
/// A UDP socket of the tap's namespace, bound to 10.0.0.1 and `port`.
UniqueFd BindHostUdp(const Tap& tap, uint16_t port);

}  // namespace stx
