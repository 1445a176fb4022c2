// The user's terminal joined to a guest's console socket.
#pragma once

#include <filesystem>

namespace stx {

/// Copies between stdin/stdout and the console until either side ends or Ctrl-] is typed. A
/// terminal is in raw mode meanwhile.
void JoinConsole(const std::filesystem::path& console);

}  // namespace stx
