// SPDX-License-Identifier: GPL-2.0-or-later
// The few operating-system things every part of the harness needs: descriptors and folders that
// clean up after themselves, deadlines, Unix sockets, whole-file reads.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

namespace stx {

using Milliseconds = std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

/// A point in time after which waiting ends in an error.
class Deadline {
 public:
  /// With STX_DEBUG in the environment it is a hundred times longer: somebody is at the debugger.
  explicit Deadline(Milliseconds from_now);
  bool Passed() const { return Clock::now() >= at_; }
  /// What is left, never negative; fits poll(2).
  int PollMs() const;
  /// The time that it gave at first.
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

/// A private folder under `parent`, else $TMPDIR, else /tmp; removed with its content at the end of
/// its life.
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

/// Throws std::system_error for errno, with `what` as the message's subject.
[[noreturn]] void ThrowErrno(const std::string& what);

/// A listening AF_UNIX stream socket at `path` (at most 107 bytes); an old socket file is replaced.
UniqueFd ListenUnix(const std::filesystem::path& path, int backlog = 16);
/// Connects to the AF_UNIX stream socket at `path`; throws when nobody listens before the deadline.
UniqueFd ConnectUnix(const std::filesystem::path& path, const Deadline& deadline);
/// Accepts one connection; throws when none came before the deadline.
UniqueFd Accept(int listener, const Deadline& deadline);
/// True when `events` of poll(2) (POLLIN ...) are there before the deadline.
bool WaitFor(int fd, short events, const Deadline& deadline);

/// Writes all of `bytes`; SIGPIPE-free on sockets.
void WriteAll(int fd, std::string_view bytes);
/// The whole file as bytes (also /proc files, whose size is not known before).
std::string ReadFile(const std::filesystem::path& path);
void WriteFile(const std::filesystem::path& path, std::string_view bytes);

/// Value of environment variable `name`, or `fallback` when it is unset or empty.
std::string EnvOr(const char* name, std::string_view fallback);
/// Whether the QEMU under test is built with sanitizers: scripts/check --asan.
bool Sanitized();

}  // namespace stx
