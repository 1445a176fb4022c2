// SPDX-License-Identifier: GPL-2.0-or-later
// The clock of a TCG guest. TCG passes the host's time stamp counter through, and a Linux guest has
// to find out its rate: from KVM's clock (not under TCG), or by measuring it against the PIT, which
// fails on a busy host. q35 can then use the HPET. microvm with ACPI has no other clock, and
// without the rate no timer interrupt, so its kernel spins in calibrate_delay for ever without a
// message.
#pragma once

#include <string>

namespace stx {

/// Ticks of the host's time stamp counter per millisecond, measured for 10 ms.
long MeasureHostTscKhz();

/// "tsc_early_khz=N" for the kernel command line of a guest under TCG. Do not use it with KVM,
/// whose guests may see a scaled counter.
std::string MakeTcgClockParameter();

}  // namespace stx
