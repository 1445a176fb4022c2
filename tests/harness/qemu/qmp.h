// SPDX-License-Identifier: GPL-2.0-or-later
// A QMP client with the properties of Kata's (contract 2.1): one request at a time, no ids, replies
// of one line of at most 64 KiB, events at any time.
#pragma once

#include <deque>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

#include "base/os.h"

namespace stx {

using json = nlohmann::json;

/// QEMU answered {"error": {"class": ..., "desc": ...}}.
class QmpError : public std::runtime_error {
 public:
  QmpError(const std::string& command, std::string error_class, std::string desc)
      : std::runtime_error(command + ": " + desc),
        error_class_(std::move(error_class)),
        desc_(std::move(desc)) {}
  const std::string& error_class() const { return error_class_; }
  const std::string& desc() const { return desc_; }

 private:
  std::string error_class_, desc_;
};

class Qmp {
 public:
  static constexpr Milliseconds kTimeout{20000};
  static constexpr size_t kMaxLine = 64 * 1024;

  /// Connects, reads the greeting, and sends qmp_capabilities.
  explicit Qmp(const std::filesystem::path& socket, Milliseconds timeout = kTimeout);

  /// The greeting's "QMP" object: version and capabilities.
  const json& greeting() const { return greeting_; }
  /// Returns the command's "return" value; throws QmpError for an error reply. If no reply arrives
  /// in time, it throws std::runtime_error and closes the connection, so that a late reply cannot
  /// be taken for the next one.
  json Execute(const std::string& command, const json& arguments = nullptr,
               Milliseconds timeout = kTimeout);
  /// Like Execute; sends `fd` along with the request as SCM_RIGHTS (getfd, add-fd).
  json ExecuteWithFd(const std::string& command, const json& arguments, int fd);
  /// Runs an HMP command and returns its output.
  std::string Hmp(const std::string& command_line);
  /// Takes the oldest event of that name that `match` accepts. Throws at the deadline.
  json WaitEvent(const std::string& name, Milliseconds timeout = kTimeout,
                 const std::function<bool(const json&)>& match = nullptr);
  /// True if such an event has already arrived; it is taken.
  bool TakeEvent(const std::string& name);
  /// Kata's limit for a line, kMaxLine, is a requirement for all that a test does with a pod. Where
  /// it is not, `bytes` is the limit.
  void set_max_line(size_t bytes) { max_line_ = bytes; }
  /// Every line sent and received, for the message of a failed case.
  const std::string& log() const { return log_; }

 private:
  json ReadLine(const Deadline& deadline);
  json Reply(const std::string& command, const Deadline& deadline);
  std::string Request(const std::string& command, const json& arguments);

  UniqueFd fd_;
  std::string buffer_, log_;
  size_t max_line_ = kMaxLine;
  std::deque<json> events_;
  json greeting_;
};

}  // namespace stx
