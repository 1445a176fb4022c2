// SPDX-License-Identifier: GPL-2.0-or-later
// Which accelerator works here. /dev/kvm may open on a machine whose KVM cannot run a plain guest,
// so opening proves nothing: a guest must answer.
#pragma once

#include <string>

namespace stx {

struct Accel {
  bool kvm = false;
  /// Why, in a few words for a summary: "a guest answered", "no vmx or svm flag in /proc/cpuinfo".
  std::string reason;
  /// For -machine accel= and -cpu.
  const char* name() const { return kvm ? "kvm" : "tcg"; }
};

/// KVM when the CPU has vmx or svm and a three-instruction guest answers on an I/O port; else TCG.
Accel DetectAccel();

/// Whether /proc/cpuinfo shows the `hypervisor` flag: Kata sets disable-modern=true then
/// (contract 1.1).
bool RunsNested();

}  // namespace stx
