// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/guestd/sys.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <optional>
#include <stdexcept>

namespace stx::guestd {

void Fail(const std::string& what) { throw std::runtime_error(what + ": " + strerror(errno)); }

Fd& Fd::operator=(Fd&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

Fd::~Fd() {
  if (fd_ >= 0) close(fd_);
}

Fd Open(const std::string& path, int flags, unsigned mode) {
  Fd fd(open(path.c_str(), flags | O_CLOEXEC, mode));
  if (!fd) Fail(path);
  return fd;
}

std::string ReadAt(int fd, uint64_t offset, uint64_t length, const std::string& path) {
  std::string text;
  while (text.size() < length) {
    std::array<char, 65536> chunk;
    size_t want = std::min<uint64_t>(chunk.size(), length - text.size());
    ssize_t n = pread(fd, chunk.data(), want, static_cast<off_t>(offset + text.size()));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) Fail(path);
    if (n == 0) break;
    text.append(chunk.data(), static_cast<size_t>(n));
  }
  return text;
}

std::string ReadText(const std::string& path) {
  return ReadAt(Open(path, O_RDONLY).get(), 0, 16u << 20, path);
}

std::string ReadAttribute(const std::string& path) {
  std::string text;
  try {
    text = ReadText(path);
  } catch (const std::exception&) {
  }
  while (!text.empty() && (text.back() == '\n' || text.back() == '\0')) text.pop_back();
  return text;
}

void WriteText(const std::string& path, std::string_view text) {
  Fd fd = Open(path, O_WRONLY);
  if (write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) Fail(path);
}

std::vector<std::string> ListNames(const std::string& folder) {
  std::vector<std::string> names;
  std::unique_ptr<DIR, int (*)(DIR*)> dir(opendir(folder.c_str()), closedir);
  while (dirent* entry = dir ? readdir(dir.get()) : nullptr) {
    std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string ReadLinkName(const std::string& path) {
  std::array<char, PATH_MAX> target;
  ssize_t n = readlink(path.c_str(), target.data(), target.size());
  if (n < 0) return "";
  std::string text(target.data(), static_cast<size_t>(n));
  return text.substr(text.rfind('/') + 1);
}

std::string ResolvePath(const std::string& path) {
  std::array<char, PATH_MAX> real;
  return realpath(path.c_str(), real.data()) ? real.data() : "";
}

std::vector<std::string> Split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    size_t end = std::min(text.find(separator), text.size());
    if (end > 0) parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

namespace {

std::optional<std::string> FindBootOption(std::string_view name) {
  std::optional<std::string> value;
  for (const std::string& word : Split(ReadAttribute("/proc/cmdline"), ' ')) {
    size_t equals = std::min(word.find('='), word.size());
    if (std::string_view(word).substr(0, equals) != name) continue;
    value = equals == word.size() ? "" : word.substr(equals + 1);
  }
  return value;
}

}  // namespace

std::string ReadBootOption(std::string_view name, const std::string& fallback) {
  return FindBootOption(name).value_or(fallback);
}

bool HasBootOption(std::string_view name) { return FindBootOption(name).has_value(); }

void Log(const std::string& message) {
  std::string line = "<4>guestd: " + message + "\n";
  Fd fd(open("/dev/kmsg", O_WRONLY | O_CLOEXEC));
  // Without /dev/kmsg there is nowhere to report it.
  if (fd && write(fd.get(), line.data(), line.size()) < 0) return;
}

int64_t GetUptimeMs() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

}  // namespace stx::guestd
