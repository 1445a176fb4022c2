// SPDX-License-Identifier: GPL-2.0-or-later
// Runs a program in the guest for the host.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace stx::guestd {

/// How the program ended: its exit code, or the signal that killed it (SIGKILL at the timeout).
struct RunOutcome {
  int code = 0;
  int signal = 0;
  std::string out, err;
};

/// The number of bytes of stdout and of stderr that are kept. A final line says how many were cut.
constexpr size_t kMaxOutput = 8u << 20;

/// Runs argv (looked up in PATH) without input until it ends. Does not wait for children that it
/// leaves behind and that hold its output. The program and its session are killed after the
/// timeout, and when the descriptor `host` (-1: none) is hung up or has the next request, which on
/// a serial port means that another host has connected. Throws if it cannot be executed.
RunOutcome RunProgram(const std::vector<std::string>& argv, uint64_t timeout_ms, int host = -1);

}  // namespace stx::guestd
