// SPDX-License-Identifier: GPL-2.0-or-later
// Finds out which accelerator works on this machine. On some machines /dev/kvm can be opened
// although KVM cannot run a plain guest, so a guest has to answer.
#pragma once

#include <string>

namespace stx {

struct Accel {
  bool kvm = false;
  /// The reason, in a few words, for a summary: "a guest answered", "no vmx or svm flag in
  /// /proc/cpuinfo".
  std::string reason;
  /// For -machine accel= and -cpu.
  const char* name() const { return kvm ? "kvm" : "tcg"; }
};

/// KVM if the CPU has vmx or svm and a three-instruction guest answers on an I/O port; otherwise
/// TCG.
Accel DetectAccel();

/// Whether /proc/cpuinfo shows the `hypervisor` flag. If so, Kata sets disable-modern=true
/// (contract 1.1).
bool RunsNested();

}  // namespace stx
