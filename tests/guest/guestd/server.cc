// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/guestd/server.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
// After sys/socket.h, because it needs sockaddr.
#include <linux/vm_sockets.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <utility>

#include "guest/guestd/sys.h"
#include "guest/protocol.h"

namespace stx::guestd {

namespace {

/// The time after which a failed connection attempt is repeated.
constexpr useconds_t kRetryMicroseconds = 10000;
/// A reply that is still in a virtqueue would be lost with the machine.
constexpr useconds_t kBeforeEndMicroseconds = 50000;
/// A port offers no way to wait for a host to connect.
constexpr useconds_t kReopenMicroseconds = 50000;
constexpr int64_t kPortMs = 30000;
/// Of a port. Without O_NONBLOCK it would block a writer until the next host connects.
constexpr int kPortFlags = O_RDWR | O_CLOEXEC | O_NONBLOCK;

Fd ConnectHost() {
  Fd fd(socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return {};
  sockaddr_vm host{};
  host.svm_family = AF_VSOCK;
  host.svm_cid = VMADDR_CID_HOST;
  host.svm_port = static_cast<unsigned>(
      strtoul(ReadBootOption("guestd.port", std::to_string(kGuestPort)).c_str(), nullptr, 10));
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&host), sizeof(host)) != 0) return {};
  return fd;
}

Fd OpenSerialPort() {
  const std::string ports = "/sys/class/virtio-ports/";
  for (const std::string& name : ListNames(ports))
    if (ReadAttribute(ports + name + "/name") == kGuestSerialName)
      return Fd(open(("/dev/" + name).c_str(), kPortFlags));
  return {};
}

/// False if the host has hung up.
bool Await(int fd, short events) {
  pollfd polled{fd, events, 0};
  while (poll(&polled, 1, -1) < 0 && errno == EINTR) {
  }
  return polled.revents & events;
}

bool Send(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN && Await(fd, POLLOUT)) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

std::string EncodeReply(json reply, const json& request) {
  const json id = request.value("id", json());
  reply["id"] = id;
  try {
    return EncodeFrame(reply);
  } catch (const std::exception& error) {
    return EncodeFrame({{"error", std::string("the reply would be ") + error.what()}, {"id", id}});
  }
}

/// Returns when the host hangs up; throws if the host violates the protocol.
void ServeConnection(int fd) {
  SetConnection(fd);
  FrameDecoder decoder;
  std::array<char, 65536> chunk;
  for (;;) {
    while (auto request = decoder.Take()) {
      Answer answer = AnswerRequest(*request);
      if (!Send(fd, EncodeReply(std::move(answer.reply), *request))) return;
      if (!answer.after) continue;
      usleep(kBeforeEndMicroseconds);
      answer.after();
    }
    ssize_t n = read(fd, chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) {
      Await(fd, POLLIN);
      continue;
    }
    if (n <= 0) return;
    decoder.Append({chunk.data(), static_cast<size_t>(n)});
  }
}

}  // namespace

void Serve(const BootReport& report) {
  signal(SIGPIPE, SIG_IGN);
  SetBootReport(report);
  for (;; usleep(kRetryMicroseconds)) {
    Fd fd = ConnectHost();
    if (!fd) fd = OpenSerialPort();
    try {
      if (fd) ServeConnection(fd.get());
    } catch (const std::exception& error) {
      Log(std::string("the host sent ") + error.what());
    }
  }
}

void ServePort(const std::string& device) {
  signal(SIGPIPE, SIG_IGN);
  const int64_t deadline = GetUptimeMs() + kPortMs;
  for (;; usleep(kReopenMicroseconds)) {
    Fd fd(open(device.c_str(), kPortFlags));
    if (!fd && GetUptimeMs() > deadline) Fail(device);
    try {
      if (fd) ServeConnection(fd.get());
    } catch (const std::exception& error) {
      Log(std::string("the host sent ") + error.what());
    }
  }
}

}  // namespace stx::guestd
