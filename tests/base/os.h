// SPDX-License-Identifier: GPL-2.0-or-later
// The few operating-system facilities that every part of the harness needs: descriptors and folders
// that clean up after themselves, deadlines, Unix sockets, whole files.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

namespace stx {

using Milliseconds = std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

/// The time at which a wait fails.
class Deadline {
 public:
  /// With STX_DEBUG in the environment, the deadline is a hundred times later, because someone is
  /// using a debugger.
  explicit Deadline(Milliseconds from_now);
  bool Passed() const { return Clock::now() >= at_; }
  /// The time that is left, never negative, in a form that poll(2) takes.
  int PollMs() const;
  /// The time that it allowed at the start.
  Milliseconds length() const { return length_; }

 private:
  Milliseconds length_;
  Clock::time_point at_;
};

/// Owns a file descriptor; -1 is "none".
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) Reset(std::exchange(other.fd_, -1));
    return *this;
  }
  ~UniqueFd() { Reset(); }
  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }
  void Reset(int fd = -1);
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

/// A private folder under `parent`, or $TMPDIR if that is empty, or else /tmp. The destructor
/// removes it and its contents.
class TempDir {
 public:
  explicit TempDir(std::string_view name = "stx-qemu", const std::filesystem::path& parent = {});
  TempDir(TempDir&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TempDir& operator=(TempDir&&) = delete;
  ~TempDir();
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

/// Throws std::system_error for errno; `what` begins the message.
[[noreturn]] void ThrowErrno(const std::string& what);

/// A listening AF_UNIX stream socket at `path` (at most 107 bytes). Replaces an old socket file.
UniqueFd ListenUnix(const std::filesystem::path& path, int backlog = 16);
/// Connects to the AF_UNIX stream socket at `path`. Throws if nothing listens there before the
/// deadline.
UniqueFd ConnectUnix(const std::filesystem::path& path, const Deadline& deadline);
/// Accepts one connection. Throws if none arrives before the deadline.
UniqueFd Accept(int listener, const Deadline& deadline);
/// Waits for `events` of poll(2) (POLLIN and so on); false if the deadline passes first.
bool WaitFor(int fd, short events, const Deadline& deadline);

/// Writes all of `bytes`. A closed socket causes an exception, not SIGPIPE.
void WriteAll(int fd, std::string_view bytes);
/// The contents of a file, which may be a /proc file, whose size is not known in advance.
std::string ReadFile(const std::filesystem::path& path);
void WriteFile(const std::filesystem::path& path, std::string_view bytes);

/// The value of the environment variable `name`, or `fallback` if it is unset or empty.
std::string EnvOr(const char* name, std::string_view fallback);
/// Whether the QEMU under test is built with sanitizers (scripts/check --asan).
bool IsSanitized();

}  // namespace stx
