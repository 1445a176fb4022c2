// SPDX-License-Identifier: GPL-2.0-or-later
// Serves the host: guest/protocol.h over vsock, or over a virtio-serial port if there is no vsock.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "guest/guestd/boot.h"

namespace stx::guestd {

/// One operation of the protocol. `run` receives the request and returns the reply without "ok", or
/// throws with the message for "error". `after` is called once the reply has been sent.
struct Operation {
  const char* name;
  nlohmann::json (*run)(const nlohmann::json& request);
  void (*after)() = nullptr;
};

/// The reply to a request, and what to do after it has been sent. Never throws.
struct Answer {
  nlohmann::json reply;
  void (*after)() = nullptr;
};
Answer AnswerRequest(const nlohmann::json& request);

/// What `info` reports about the boot.
void SetBootReport(const BootReport& report);

/// The descriptor whose hang-up ends a program that `run` waits for; -1 for none.
void SetConnection(int fd);

/// Connects to the host, repeatedly until it accepts, answers requests until it hangs up, and
/// starts again.
[[noreturn]] void Serve(const BootReport& report);

/// Serves the virtio-serial port `device` as an ordinary process: answers requests until the host
/// hangs up, then opens the port again. Waits 30 s for the port to appear, and throws if it does
/// not.
[[noreturn]] void ServePort(const std::string& device);

}  // namespace stx::guestd
