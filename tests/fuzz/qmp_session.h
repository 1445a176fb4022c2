// SPDX-License-Identifier: GPL-2.0-or-later
// One QEMU that gets random commands until it has had enough of them or does something wrong.
#pragma once

#include <filesystem>
#include <string>

namespace stx {

struct QmpSession {
  int commands = 0;     ///< sent
  int accepted = 0;     ///< of these, those that were no error
  std::string finding;  ///< what went wrong, with all commands; empty if nothing did
};

/// Sends `commands` random commands to a pod's machine of that binary. A finding is a QEMU that is
/// killed by a signal, ends with a status other than 0, or does not answer.
QmpSession RunQmpSession(const std::filesystem::path& binary, unsigned seed, int commands);

}  // namespace stx
