// The host's end of guest/protocol.h: asks a booted guest.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "guest/protocol.h"
#include "harness/os.h"
#include "harness/process.h"

namespace stx {

/// The guest refused or failed a request; what() is "OP: " and its sentence.
class GuestError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A listening AF_VSOCK socket for guests of this host; needs the host's vhost_vsock.
UniqueFd ListenVsock(unsigned port = kGuestPort);

/// A connection that guestd made. One request is in flight; not for several threads.
class GuestAgent {
 public:
  static constexpr Milliseconds kTimeout{10000};

  explicit GuestAgent(UniqueFd connection) : fd_(std::move(connection)) {}
  /// Waits for the guest's call-back on a listening socket (AF_UNIX or AF_VSOCK).
  static GuestAgent Accept(int listener, const Deadline& deadline);

  /// Sends {"op": ...} and returns the reply. Throws GuestError with the guest's sentence; throws
  /// std::runtime_error when the connection ends or the deadline passes, and then it is closed.
  json Request(const json& request, Milliseconds timeout = kTimeout);

  /// Kernel, root, share, module failures, uptime: the fields are in guestd/ops.cc.
  json Info() { return Request({{"op", "info"}}); }
  std::string Read(const std::string& path);
  void Write(const std::string& path, std::string_view bytes);
  /// Runs a program of the guest to its end.
  RunResult Exec(const std::vector<std::string>& argv, Milliseconds timeout = kTimeout);
  /// The reply comes before the guest acts.
  void PowerOff() { Request({{"op", "poweroff"}}); }

 private:
  json Exchange(const std::string& frame, const Deadline& deadline);

  UniqueFd fd_;
  FrameDecoder decoder_;
};

}  // namespace stx
