// SPDX-License-Identifier: GPL-2.0-or-later
// What guestd needs from the system, without iostream and <filesystem>, because it is the first
// program of a guest and has to start fast. Failures are exceptions with the text of the reply's
// message.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stx::guestd {

/// Throws std::runtime_error "what: " + strerror(errno).
[[noreturn]] void Fail(const std::string& what);

/// A descriptor that its destructor closes.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept;
  ~Fd();
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

/// Opens a file with close-on-exec; throws with the path.
Fd Open(const std::string& path, int flags, unsigned mode = 0644);
/// At most `length` bytes from `offset`, fewer at the end of the file.
std::string ReadAt(int fd, uint64_t offset, uint64_t length, const std::string& path);
std::string ReadText(const std::string& path);
/// The text of a file without its final newline; "" if it cannot be read.
std::string ReadAttribute(const std::string& path);
void WriteText(const std::string& path, std::string_view text);
/// The names in a folder without . and .., sorted; empty if the folder does not exist.
std::vector<std::string> ListNames(const std::string& folder);
/// The last part of a symbolic link's target, or "" if the path is not a symbolic link.
std::string ReadLinkName(const std::string& path);
/// The resolved path, or "" if it does not exist.
std::string ResolvePath(const std::string& path);

std::vector<std::string> Split(std::string_view text, char separator);
/// The value of NAME=value on the kernel command line (the last one), or `fallback`; "" for NAME
/// without a value.
std::string ReadBootOption(std::string_view name, const std::string& fallback);
bool HasBootOption(std::string_view name);

/// Writes a line to the kernel's log.
void Log(const std::string& message);
/// Milliseconds since the kernel's clock started.
int64_t GetUptimeMs();

}  // namespace stx::guestd
