// SPDX-License-Identifier: GPL-2.0-or-later
// A QMP client as Kata's is (contract 2.1): one request in flight, no ids, a reply is one line of
// at most 64 KiB, events may come at any time.
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

  /// Connects, reads the greeting, sends qmp_capabilities.
  explicit Qmp(const std::filesystem::path& socket, Milliseconds timeout = kTimeout);

  /// The greeting's "QMP" object: version and capabilities.
  const json& greeting() const { return greeting_; }
  /// The command's "return"; throws QmpError for an error reply. Without a reply in time it
  /// throws std::runtime_error and closes the connection: a late one must not answer the next.
  json Execute(const std::string& command, const json& arguments = nullptr,
               Milliseconds timeout = kTimeout);
  /// As Execute, with `fd` beside the request as SCM_RIGHTS (getfd, add-fd).
  json ExecuteWithFd(const std::string& command, const json& arguments, int fd);
  /// The HMP command's output.
  std::string Hmp(const std::string& command_line);
  /// The oldest event of that name that `match` accepts and nobody took yet; throws at the
  /// deadline.
  json WaitEvent(const std::string& name, Milliseconds timeout = kTimeout,
                 const std::function<bool(const json&)>& match = nullptr);
  /// True when such an event has already come; it is taken.
  bool TakeEvent(const std::string& name);
  /// Every line sent and received, for a failed case's report.
  const std::string& log() const { return log_; }

 private:
  json ReadLine(const Deadline& deadline);
  json Reply(const std::string& command, const Deadline& deadline);
  std::string Request(const std::string& command, const json& arguments);

  UniqueFd fd_;
  std::string buffer_, log_;
  std::deque<json> events_;
  json greeting_;
};

}  // namespace stx
