// SPDX-License-Identifier: GPL-2.0-or-later
// Connects the user's terminal to a guest's console socket.
#pragma once

#include <filesystem>

namespace stx {

/// Copies between stdin/stdout and the console until the guest ends (returns true) or Ctrl-] is
/// typed (returns false). A terminal is in raw mode meanwhile. At the end of a script, the guest
/// receives Ctrl-D.
bool JoinConsole(const std::filesystem::path& console);

}  // namespace stx
