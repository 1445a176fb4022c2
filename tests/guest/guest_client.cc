// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/guest_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <random>

namespace stx {

GuestAgent::GuestAgent(UniqueFd connection) : fd_(std::move(connection)) {
  std::random_device random;
  next_id_ = static_cast<uint64_t>(random()) << 24;
}

GuestAgent GuestAgent::Accept(int listener, const Deadline& deadline) {
  return GuestAgent(stx::Accept(listener, deadline));
}

GuestAgent GuestAgent::Connect(const std::function<UniqueFd()>& dial, const Deadline& deadline) {
  // Each try is longer, so that a slow guest, nested under TCG, does not miss all of them.
  for (Milliseconds patience{1000};; patience = std::min(2 * patience, Milliseconds(30000))) {
    GuestAgent agent(dial());
    try {
      agent.Request({{"op", "cpus"}}, patience);
      return agent;
    } catch (const std::exception&) {
      // Whatever arrives while guestd closes the port after the previous host is lost.
      if (deadline.Passed()) throw;
    }
  }
}

GuestAgent GuestAgent::Connect(const std::filesystem::path& socket, const Deadline& deadline) {
  return Connect([&] { return ConnectUnix(socket, deadline); }, deadline);
}

json GuestAgent::Exchange(json request, const Deadline& deadline) {
  const uint64_t id = next_id_++;
  request["id"] = id;
  const std::string frame = EncodeFrame(request);
  std::string_view left = frame;
  while (!left.empty()) {
    if (!WaitFor(fd_.get(), POLLOUT, deadline))
      throw std::runtime_error("the guest took no request before the deadline");
    ssize_t n = send(fd_.get(), left.data(), left.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n < 0) ThrowErrno("cannot send to the guest");
    left.remove_prefix(static_cast<size_t>(n));
  }
  std::array<char, 65536> chunk;
  for (;;) {
    if (auto reply = decoder_.Take()) {
      // On a serial port, the reply may be for a previous host.
      if (reply->value("id", json(id)) == id) return std::move(*reply);
      continue;
    }
    if (!WaitFor(fd_.get(), POLLIN, deadline))
      throw std::runtime_error("the guest did not answer before the deadline");
    ssize_t n = read(fd_.get(), chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) ThrowErrno("cannot read from the guest");
    if (n == 0) throw std::runtime_error("the guest closed the connection");
    decoder_.Append({chunk.data(), static_cast<size_t>(n)});
  }
}

json GuestAgent::Request(const json& request, Milliseconds timeout) {
  std::string op = request.value("op", "");
  if (!fd_) throw std::runtime_error(op + ": the connection to the guest is lost");
  json reply;
  try {
    reply = Exchange(request, Deadline(timeout));
  } catch (const std::length_error&) {
    throw;  // nothing was sent
  } catch (const std::exception& error) {
    fd_.Reset();  // a late answer must not be taken for that of the next request
    throw std::runtime_error(op + ": " + error.what());
  }
  if (reply.contains("error")) throw GuestError(op + ": " + reply["error"].get<std::string>());
  return reply;
}

std::string GuestAgent::Read(const std::string& path) {
  // Half a frame at a time, because a file may be longer than a frame.
  constexpr uint64_t kPiece = kMaxFrame / 2;
  std::string content;
  for (;;) {
    std::string piece = GetBytes(Request({{"op", "read"},
                                          {"path", path},
                                          {"offset", static_cast<uint64_t>(content.size())},
                                          {"length", kPiece}})
                                     .at("data"));
    content += piece;
    if (piece.size() < kPiece) return content;
  }
}

void GuestAgent::Write(const std::string& path, std::string_view bytes) {
  Request({{"op", "write"}, {"path", path}, {"data", MakeBytes(bytes)}});
}

RunResult GuestAgent::Exec(const std::vector<std::string>& argv, Milliseconds timeout) {
  // The guest kills the program in time and still returns what it printed.
  const json request{{"op", "run"}, {"argv", argv}, {"timeout_ms", timeout.count()}};
  json reply = Request(request, timeout + kTimeout);
  RunResult result;
  result.status.code = reply.at("code");
  result.status.signal = reply.at("signal");
  result.out = GetBytes(reply.at("stdout"));
  result.err = GetBytes(reply.at("stderr"));
  return result;
}

RunResult GuestAgent::MustExec(const std::vector<std::string>& argv, Milliseconds timeout) {
  RunResult result = Exec(argv, timeout);
  if (result.status.Success()) return result;
  std::string text;
  for (const std::string& word : argv) text += word + " ";
  throw std::runtime_error("in the guest, " + text + "ended with " + result.status.ToString() +
                           ": " + result.out + result.err);
}

}  // namespace stx
