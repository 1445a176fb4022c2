// SPDX-License-Identifier: GPL-2.0-or-later
// Serves the host: guest/protocol.h over vsock, or over a virtio-serial port where there is none.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "guest/guestd/boot.h"

namespace stx::guestd {

/// One operation of the protocol. `run` gets the request and returns the reply without "ok", or
/// throws with the message for "error"; `after` is called when the reply is sent.
struct Operation {
  const char* name;
  nlohmann::json (*run)(const nlohmann::json& request);
  void (*after)() = nullptr;
};

/// The reply to a request, and what to do after sending it. Never throws.
struct Answer {
  nlohmann::json reply;
  void (*after)() = nullptr;
};
Answer AnswerRequest(const nlohmann::json& request);

/// What `info` says of the boot.
void SetBootReport(const BootReport& report);

/// The descriptor whose hang-up ends a program that `run` waits for; -1: none.
void SetConnection(int fd);

/// Connects to the host until it takes the call, answers until it hangs up, and again.
[[noreturn]] void Serve(const BootReport& report);

/// Serves the virtio-serial port `device` as a process among others: answers until the host hangs
/// up, opens the port again and so on. Throws when there is no such port, for which it waits 30 s.
[[noreturn]] void ServePort(const std::string& device);

}  // namespace stx::guestd
