// SPDX-License-Identifier: GPL-2.0-or-later
// What guestd needs of the system, without iostream and <filesystem>: it is the first program of a
// guest that has to be up at once. Failures are exceptions whose text is the reply's message.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stx::guestd {

/// Throws std::runtime_error "what: " + strerror(errno).
[[noreturn]] void Fail(const std::string& what);

/// A descriptor closed at the end of its life.
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

/// Opens, close-on-exec; throws with the path.
Fd Open(const std::string& path, int flags, unsigned mode = 0644);
/// At most `length` bytes from `offset`, less at the end of the file.
std::string ReadAt(int fd, uint64_t offset, uint64_t length, const std::string& path);
std::string ReadText(const std::string& path);
/// The file's text without the newline at its end; "" when it cannot be read.
std::string Attribute(const std::string& path);
void WriteText(const std::string& path, std::string_view text);
/// Names in the folder without . and .., sorted; empty when there is no such folder.
std::vector<std::string> Names(const std::string& folder);
/// Last part of a symbolic link's target, "" when it is none.
std::string LinkName(const std::string& path);
/// Where the path really is, "" when it is nowhere.
std::string RealPath(const std::string& path);

std::vector<std::string> Split(std::string_view text, char separator);
/// Value of NAME=value on the kernel command line (the last one), or `fallback`; for a bare NAME
/// "".
std::string BootOption(std::string_view name, const std::string& fallback);
bool HasBootOption(std::string_view name);

/// A line on the kernel's log.
void Log(const std::string& message);
/// Milliseconds since the kernel's clock started.
int64_t UptimeMs();

}  // namespace stx::guestd
