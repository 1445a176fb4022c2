// SPDX-License-Identifier: GPL-2.0-or-later
// A QMP client with next to nothing between the socket and the clock, that takes replies of any
// length.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "base/os.h"

namespace stx {

using json = nlohmann::json;

class Monitor {
 public:
  /// Connects. `timeout` is for everything that comes.
  Monitor(const std::filesystem::path& socket, Milliseconds timeout);
  /// Returns when a line that begins with `start` has come. Throws when it does not.
  void WaitFor(const std::string& start);
  /// Sends the command and waits for its reply, which may be an error.
  void Ask(const std::string& command, const json& arguments = nullptr);
  /// Sends it and does not wait.
  void Send(const std::string& command, const json& arguments = nullptr);

 private:
  std::string ReadLine();

  Deadline deadline_;
  UniqueFd fd_;
  std::string buffer_;
};

}  // namespace stx
