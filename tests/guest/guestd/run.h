// SPDX-License-Identifier: GPL-2.0-or-later
// A program of the guest, run for the host.
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

/// Of stdout and of stderr, bytes that are kept; a line after them says how many are not.
constexpr size_t kMaxOutput = 8u << 20;

/// Runs argv (looked up in PATH) with no input until it ends; a child that it leaves behind with
/// its output is not waited for. Killed, with the session that it made, at the timeout, and when
/// `host`, a descriptor (-1: none), is hung up or has the next request, which means on a serial
/// port that the host is another one. Throws when it cannot be executed.
RunOutcome RunProgram(const std::vector<std::string>& argv, uint64_t timeout_ms, int host = -1);

}  // namespace stx::guestd
