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

/// Runs argv (looked up in /bin and /sbin) with no input; throws when it cannot be executed. Output
/// is cut at 4 MiB each.
RunOutcome RunProgram(const std::vector<std::string>& argv, uint64_t timeout_ms);

}  // namespace stx::guestd
