// SPDX-License-Identifier: GPL-2.0-or-later
// The host's end of guest/protocol.h: sends requests to a booted guest.
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

/// The guest refused a request or failed; what() is "OP: " and the guest's message.
class GuestError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A connection to guestd. It has one request in flight and is not thread-safe.
class GuestAgent {
 public:
  static constexpr Milliseconds kTimeout{10000};

  explicit GuestAgent(UniqueFd connection);
  /// Waits on a listening socket (AF_UNIX or AF_VSOCK) until the guest connects.
  static GuestAgent Accept(int listener, const Deadline& deadline);

  /// Calls `dial` to connect to the socket of a virtio-serial port that guestd serves, and repeats
  /// that until guestd answers. Throws if it does not answer before the deadline.
  static GuestAgent Connect(const std::function<UniqueFd()>& dial, const Deadline& deadline);
  static GuestAgent Connect(const std::filesystem::path& socket, const Deadline& deadline);

  /// Sends {"op": ...} and returns the reply. Throws GuestError with the guest's message. If the
  /// connection ends or the deadline passes, it throws std::runtime_error and closes the
  /// connection.
  json Request(const json& request, Milliseconds timeout = kTimeout);

  /// Kernel, root, share, module failures, uptime. guestd/ops.cc describes the fields.
  json Info() { return Request({{"op", "info"}}); }
  std::string Read(const std::string& path);
  void Write(const std::string& path, std::string_view bytes);
  /// Runs a program in the guest to its end. After `timeout` it is killed (signal 9); its output so
  /// far is returned. At most 8 MiB each of stdout and stderr are kept; a last line says how much
  /// was cut.
  RunResult Exec(const std::vector<std::string>& argv, Milliseconds timeout = kTimeout);
  /// Like Exec; throws with the program's output if it fails.
  RunResult MustExec(const std::vector<std::string>& argv, Milliseconds timeout = kTimeout);
  /// The reply arrives before the guest acts.
  void PowerOff() { Request({{"op", "poweroff"}}); }

 private:
  json Exchange(json request, const Deadline& deadline);

  UniqueFd fd_;
  FrameDecoder decoder_;
  uint64_t next_id_;
};

}  // namespace stx
