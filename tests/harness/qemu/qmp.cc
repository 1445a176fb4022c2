// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/qemu/qmp.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace stx {

Qmp::Qmp(const std::filesystem::path& socket, Milliseconds timeout) {
  Deadline deadline(timeout);
  fd_ = ConnectUnix(socket, deadline);
  json first;
  do {  // events before the greeting are tolerated
    first = ReadLine(deadline);
  } while (!first.contains("QMP"));
  greeting_ = first["QMP"];
  Execute("qmp_capabilities", nullptr, timeout);
}

json Qmp::ReadLine(const Deadline& deadline) {
  for (;;) {
    if (size_t end = buffer_.find('\n'); end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      if (line.size() > max_line_)
        throw std::runtime_error("QMP line of " + std::to_string(line.size()) +
                                 " bytes; the limit is " + std::to_string(max_line_));
      log_ += "<- " + line + "\n";
      return json::parse(line);
    }
    if (!fd_) throw std::runtime_error("the QMP connection is closed; so far:\n" + log_);
    if (!WaitFor(fd_.get(), POLLIN, deadline))
      throw std::runtime_error("no QMP line before the deadline; so far:\n" + log_);
    char chunk[8192];
    ssize_t n = read(fd_.get(), chunk, sizeof(chunk));
    if (n <= 0) throw std::runtime_error("QMP connection ended; so far:\n" + log_);
    buffer_.append(chunk, static_cast<size_t>(n));
  }
}

std::string Qmp::Request(const std::string& command, const json& arguments) {
  json request{{"execute", command}};
  if (!arguments.is_null()) request["arguments"] = arguments;
  if (!fd_)
    throw std::runtime_error("cannot send " + command +
                             ": the QMP connection is closed; so far:\n" + log_);
  std::string line = request.dump() + "\n";
  log_ += "-> " + line;
  return line;
}

json Qmp::Reply(const std::string& command, const Deadline& deadline) {
  for (;;) {
    json line;
    try {
      line = ReadLine(deadline);
    } catch (const std::exception&) {
      log_ += "closed: " + command + " has no reply\n";
      fd_.Reset();
      throw;
    }
    if (line.contains("event")) {
      events_.push_back(std::move(line));
    } else if (line.contains("error")) {
      throw QmpError(command, line["error"]["class"], line["error"]["desc"]);
    } else if (line.contains("return")) {
      return line["return"];
    }
  }
}

json Qmp::Execute(const std::string& command, const json& arguments, Milliseconds timeout) {
  WriteAll(fd_.get(), Request(command, arguments));
  return Reply(command, Deadline(timeout));
}

json Qmp::ExecuteWithFd(const std::string& command, const json& arguments, int fd) {
  std::string line = Request(command, arguments);
  iovec part{line.data(), line.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &fd, sizeof(fd));
  if (sendmsg(fd_.get(), &message, MSG_NOSIGNAL) != static_cast<ssize_t>(line.size()))
    ThrowErrno("sendmsg to QMP");
  return Reply(command, Deadline(kTimeout));
}

std::string Qmp::Hmp(const std::string& command_line) {
  return Execute("human-monitor-command", {{"command-line", command_line}}).get<std::string>();
}

json Qmp::WaitEvent(const std::string& name, Milliseconds timeout,
                    const std::function<bool(const json&)>& match) {
  Deadline deadline(timeout);
  for (size_t seen = 0;;) {
    for (; seen < events_.size(); ++seen) {
      if (events_[seen]["event"] != name || (match && !match(events_[seen]))) continue;
      json event = events_[seen];
      events_.erase(events_.begin() + static_cast<std::ptrdiff_t>(seen));
      return event;
    }
    json line = ReadLine(deadline);
    if (line.contains("event")) events_.push_back(std::move(line));
  }
}

bool Qmp::TakeEvent(const std::string& name) {
  while (fd_ && WaitFor(fd_.get(), POLLIN, Deadline(Milliseconds(0)))) {
    json line = ReadLine(Deadline(kTimeout));
    if (line.contains("event")) events_.push_back(std::move(line));
  }
  auto it = std::find_if(events_.begin(), events_.end(),
                         [&](const json& event) { return event["event"] == name; });
  if (it == events_.end()) return false;
  events_.erase(it);
  return true;
}

}  // namespace stx
