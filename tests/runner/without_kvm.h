// SPDX-License-Identifier: GPL-2.0-or-later
// For a machine whose /dev/kvm opens but cannot run a guest (see harness/accel.h): programs that
// decide by that file alone, as QEMU's own tests do, must not find it.
#pragma once

namespace stx {

/// Moves this process, and the children that it starts from then on, to a mount namespace whose
/// /dev has all but kvm. Needs CAP_SYS_ADMIN and a process with one thread; throws
/// std::system_error otherwise.
void HideKvm();

}  // namespace stx
