// SPDX-License-Identifier: GPL-2.0-or-later
// The clock of a TCG guest. TCG hands the host's time stamp counter through, and a Linux guest has
// to find out its rate: from KVM's clock (not under TCG), or against the PIT. On a busy host the
// latter fails; q35 then has the HPET, but microvm with ACPI has no other clock and no timer
// interrupt without the rate: the kernel spins for ever in calibrate_delay, saying nothing.
#pragma once

#include <string>

namespace stx {

/// Ticks of the host's time stamp counter in a millisecond, measured for 10 ms.
long HostTscKhz();

/// "tsc_early_khz=N" for the kernel command line of a guest under TCG; not for KVM, whose guests
/// may see a scaled counter.
std::string TcgClockParameter();

}  // namespace stx
