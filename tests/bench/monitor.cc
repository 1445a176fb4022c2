// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench/monitor.h"

#include <poll.h>
#include <unistd.h>

#include <stdexcept>

namespace stx {

Monitor::Monitor(const std::filesystem::path& socket, Milliseconds timeout)
    : deadline_(timeout), fd_(ConnectUnix(socket, deadline_)) {}

std::string Monitor::ReadLine() {
  size_t end = 0, searched = 0;
  while ((end = buffer_.find('\n', searched)) == std::string::npos) {
    searched = buffer_.size();
    char chunk[65536];
    ssize_t n = 0;
    if (!stx::WaitFor(fd_.get(), POLLIN, deadline_) ||
        (n = read(fd_.get(), chunk, sizeof(chunk))) <= 0)
      throw std::runtime_error("QMP has ended, or is silent");
    buffer_.append(chunk, static_cast<size_t>(n));
  }
  std::string line = buffer_.substr(0, end);
  buffer_.erase(0, end + 1);
  return line;
}

void Monitor::WaitFor(const std::string& start) {
  while (!ReadLine().starts_with(start)) {
  }
}

void Monitor::Send(const std::string& command, const json& arguments) {
  json request{{"execute", command}};
  if (!arguments.is_null()) request["arguments"] = arguments;
  WriteAll(fd_.get(), request.dump() + "\n");
}

void Monitor::Ask(const std::string& command, const json& arguments) {
  Send(command, arguments);
  for (;;) {
    const std::string line = ReadLine();
    if (line.starts_with("{\"return\"") || line.starts_with("{\"error\"")) return;
  }
}

}  // namespace stx
