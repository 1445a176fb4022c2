// SPDX-License-Identifier: GPL-2.0-or-later
// For a machine whose /dev/kvm can be opened but cannot run a guest (see harness/qemu/accel.h).
// Programs that only check for this file, such as QEMU's own tests, must not find it.
#pragma once

namespace stx {

/// Moves this process, and the children that it starts from then on, to a mount namespace whose
/// /dev has everything except kvm. Requires CAP_SYS_ADMIN and a single-threaded process; otherwise
/// throws std::system_error.
void HideKvm();

}  // namespace stx
