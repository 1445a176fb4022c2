// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/os.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <system_error>
#include <thread>

namespace stx {
namespace fs = std::filesystem;

Deadline::Deadline(Milliseconds from_now)
    : length_(EnvOr("STX_DEBUG", "").empty() ? from_now : 100 * from_now),
      at_(Clock::now() + length_) {}

int Deadline::PollMs() const {
  auto left = std::chrono::duration_cast<Milliseconds>(at_ - Clock::now()).count();
  return static_cast<int>(std::clamp<long long>(left, 0, 1 << 30));
}

void UniqueFd::Reset(int fd) {
  if (fd_ >= 0) close(fd_);
  fd_ = fd;
}

void ThrowErrno(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

TempDir::TempDir(std::string_view name, const fs::path& parent) {
  std::string pattern = parent.empty() ? EnvOr("TMPDIR", "/tmp") : parent.string();
  pattern += "/" + std::string(name) + "-XXXXXX";
  if (!mkdtemp(pattern.data())) ThrowErrno("cannot make a folder " + pattern);
  path_ = pattern;
}

TempDir::~TempDir() {
  std::error_code ignored;
  if (!path_.empty()) fs::remove_all(path_, ignored);
}

namespace {

sockaddr_un UnixAddress(const fs::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.native().size() >= sizeof(address.sun_path))
    throw std::invalid_argument("socket path is over 107 bytes: " + path.string());
  std::memcpy(address.sun_path, path.c_str(), path.native().size());
  return address;
}

}  // namespace

UniqueFd ListenUnix(const fs::path& path, int backlog) {
  sockaddr_un address = UnixAddress(path);
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) ThrowErrno("socket");
  unlink(path.c_str());
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) < 0 ||
      listen(fd.get(), backlog) < 0)
    ThrowErrno("cannot listen on " + path.string());
  return fd;
}

UniqueFd ConnectUnix(const fs::path& path, const Deadline& deadline) {
  sockaddr_un address = UnixAddress(path);
  for (;;) {
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) ThrowErrno("socket");
    if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) return fd;
    if (deadline.Passed()) ThrowErrno("cannot connect to " + path.string());
    std::this_thread::sleep_for(Milliseconds(5));
  }
}

UniqueFd Accept(int listener, const Deadline& deadline) {
  if (!WaitFor(listener, POLLIN, deadline))
    throw std::runtime_error("nobody connected before the deadline");
  UniqueFd fd(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
  if (!fd) ThrowErrno("accept");
  return fd;
}

bool WaitFor(int fd, short events, const Deadline& deadline) {
  for (;;) {
    pollfd p{fd, events, 0};
    int n = poll(&p, 1, deadline.PollMs());
    if (n > 0) return true;
    if (n == 0) return false;
    if (errno != EINTR) ThrowErrno("poll");
  }
}

void WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t n = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == ENOTSOCK) n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) ThrowErrno("write");
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

std::string ReadFile(const fs::path& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) ThrowErrno("cannot read " + path.string());
  std::string bytes, chunk(1 << 18, '\0');
  for (ssize_t n; (n = read(fd.get(), chunk.data(), chunk.size())) != 0;) {
    if (n < 0) ThrowErrno("cannot read " + path.string());
    bytes.append(chunk, 0, static_cast<size_t>(n));
  }
  return bytes;
}

void WriteFile(const fs::path& path, std::string_view bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!out.flush()) ThrowErrno("cannot write " + path.string());
}

std::string EnvOr(const char* name, std::string_view fallback) {
  const char* value = std::getenv(name);
  return value && *value ? value : std::string(fallback);
}

bool IsSanitized() { return !EnvOr("ASAN_OPTIONS", "").empty(); }

}  // namespace stx
