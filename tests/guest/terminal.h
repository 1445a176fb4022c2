// SPDX-License-Identifier: GPL-2.0-or-later
// The user's terminal joined to a guest's console socket.
#pragma once

#include <filesystem>

namespace stx {

/// Copies between stdin/stdout and the console until the guest ends (true) or Ctrl-] is typed
/// (false). A terminal is in raw mode meanwhile; a script's end is told to the guest as Ctrl-D.
bool JoinConsole(const std::filesystem::path& console);

}  // namespace stx
