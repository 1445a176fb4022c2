// SPDX-License-Identifier: GPL-2.0-or-later
// What the scenarios have in common on the node.
#pragma once

#include <string>

#include "kata/pod.h"

namespace stx {

/// What a case saw or measured, for the scenario's line.
void Fact(const std::string& text);

/// A pod of the node: its QEMU, guest and virtiofsd are those that the lab names in the
/// environment.
PodSettings NodePod();

/// Runs a shell's script on the node; returns what it printed, throws with what it said when it
/// fails.
std::string Shell(const std::string& script, Milliseconds timeout = Milliseconds(60000));

/// The first virtual function of nvme0, online and bound to vfio-pci. Made once: it stays as the
/// node lives.
const std::string& VirtualFunction();

/// "12 ms", "1.2 s".
std::string Text(Milliseconds time);

}  // namespace stx
