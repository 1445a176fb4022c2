// SPDX-License-Identifier: GPL-2.0-or-later
// What the scenarios on the node share.
#pragma once

#include <string>

#include "kata/pod.h"

namespace stx {

/// Something that a case saw or measured, for the scenario's line of output.
void ReportFact(const std::string& text);

/// The settings of a pod on the node, with the QEMU, guest and virtiofsd that the lab names in the
/// environment.
PodSettings NodePod();

/// Runs a shell script on the node and returns its output. Throws with the output if it fails.
std::string Shell(const std::string& script, Milliseconds timeout = Milliseconds(60000));

/// `text` without newlines at its end, as $(...) of a shell gives it.
std::string Trimmed(std::string text);

/// The first virtual function of nvme0, online and bound to vfio-pci. It is created once and kept
/// for the life of the node.
const std::string& VirtualFunction();

/// "12 ms", "1.2 s".
std::string Text(Milliseconds time);

}  // namespace stx
