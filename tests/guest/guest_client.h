// SPDX-License-Identifier: GPL-2.0-or-later
// The host's end of guest/protocol.h: asks a booted guest.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/os.h"
#include "base/process.h"
#include "guest/protocol.h"

namespace stx {

/// The guest refused or failed a request; what() is "OP: " and its message.
class GuestError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A connection to guestd. One request is in flight; not for several threads.
class GuestAgent {
 public:
  static constexpr Milliseconds kTimeout{10000};

  explicit GuestAgent(UniqueFd connection);
  /// Waits for the guest's call-back on a listening socket (AF_UNIX or AF_VSOCK).
  static GuestAgent Accept(int listener, const Deadline& deadline);

  /// Connects, by `dial`, to the socket of a virtio-serial port that guestd serves, again until it
  /// has answered. Throws when it has not before the deadline.
  static GuestAgent Connect(const std::function<UniqueFd()>& dial, const Deadline& deadline);
  static GuestAgent Connect(const std::filesystem::path& socket, const Deadline& deadline);

  /// Sends {"op": ...} and returns the reply. Throws GuestError with the guest's message; throws
  /// std::runtime_error when the connection ends or the deadline passes, and then it is closed.
  json Request(const json& request, Milliseconds timeout = kTimeout);

  /// Kernel, root, share, module failures, uptime: the fields are in guestd/ops.cc.
  json Info() { return Request({{"op", "info"}}); }
  std::string Read(const std::string& path);
  void Write(const std::string& path, std::string_view bytes);
  /// Runs a program of the guest to its end; killed after `timeout` (signal 9, and what it had
  /// said). Of stdout and stderr 8 MiB each are kept, and a last line says what is cut.
  RunResult Exec(const std::vector<std::string>& argv, Milliseconds timeout = kTimeout);
  /// The same; throws with what it said when it does not succeed.
  RunResult MustExec(const std::vector<std::string>& argv, Milliseconds timeout = kTimeout);
  /// The reply comes before the guest acts.
  void PowerOff() { Request({{"op", "poweroff"}}); }

 private:
  json Exchange(json request, const Deadline& deadline);

  UniqueFd fd_;
  FrameDecoder decoder_;
  uint64_t next_id_;
};

}  // namespace stx
