// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/qemu/qtest.h"

#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <stdexcept>

namespace stx {
namespace {

constexpr Milliseconds kTimeout{20000};

std::string Hex(uint64_t value) {
  char text[24];
  std::snprintf(text, sizeof(text), "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

}  // namespace

std::string QTest::ReadLine() {
  Deadline deadline(kTimeout);
  for (;;) {
    if (size_t end = buffer_.find('\n'); end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return line;
    }
    if (!fd_) throw std::runtime_error("qtest: the connection was closed after a time-out");
    if (!WaitFor(fd_.get(), POLLIN, deadline)) {
      fd_.Reset();  // a late answer must not be taken for that of the next command
      throw std::runtime_error("qtest: no answer before the deadline");
    }
    char chunk[65536];
    ssize_t n = read(fd_.get(), chunk, sizeof(chunk));
    if (n <= 0) throw std::runtime_error("qtest: QEMU closed the connection");
    buffer_.append(chunk, static_cast<size_t>(n));
  }
}

std::string QTest::Command(const std::string& line) {
  if (fd_) WriteAll(fd_.get(), line + "\n");
  for (;;) {
    std::string answer = ReadLine();
    if (answer.starts_with("IRQ ")) continue;  // of irq_intercept_*; no test listens to them yet
    if (answer == "OK") return "";
    if (answer.starts_with("OK ")) return answer.substr(3);
    throw std::runtime_error("qtest: '" + line.substr(0, 80) + "' answered '" + answer + "'");
  }
}

uint64_t QTest::In(const char* name, uint64_t address) {
  return std::stoull(Command(std::string(name) + " " + Hex(address)), nullptr, 0);
}

void QTest::Out(const char* name, uint64_t address, uint64_t value) {
  Command(std::string(name) + " " + Hex(address) + " " + Hex(value));
}

std::vector<uint8_t> QTest::MemRead(uint64_t address, size_t length) {
  std::vector<uint8_t> bytes(length);
  if (length == 0) return bytes;
  if (const uint8_t* at = Mapped(address, length)) {
    std::memcpy(bytes.data(), at, length);
    return bytes;
  }
  std::string answer = Command("read " + Hex(address) + " " + Hex(length));
  if (answer.size() != 2 + 2 * length) throw std::runtime_error("qtest: read: odd answer length");
  auto nibble = [](char c) { return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10; };
  for (size_t i = 0; i < length; ++i)
    bytes[i] = static_cast<uint8_t>(nibble(answer[2 + 2 * i]) << 4 | nibble(answer[3 + 2 * i]));
  return bytes;
}

void QTest::MemWrite(uint64_t address, const void* data, size_t length) {
  static const char digits[] = "0123456789abcdef";
  const auto* bytes = static_cast<const uint8_t*>(data);
  if (uint8_t* at = Mapped(address, length)) {
    std::memcpy(at, bytes, length);
    return;
  }
  // The protocol has one line per command, so limit the length of the lines.
  for (size_t done = 0; done < length;) {
    size_t n = std::min<size_t>(length - done, 64 * 1024);
    std::string line = "write " + Hex(address + done) + " " + Hex(n) + " 0x";
    for (size_t i = 0; i < n; ++i) {
      line += digits[bytes[done + i] >> 4];
      line += digits[bytes[done + i] & 15];
    }
    Command(line);
    done += n;
  }
}

void QTest::MemSet(uint64_t address, size_t length, uint8_t value) {
  if (uint8_t* at = Mapped(address, length)) {
    std::memset(at, value, length);
    return;
  }
  Command("memset " + Hex(address) + " " + Hex(length) + " " + Hex(value));
}

int64_t QTest::ClockStep(int64_t nanoseconds) {
  return std::stoll(Command("clock_step " + std::to_string(nanoseconds)));
}

int64_t QTest::ClockStep() { return std::stoll(Command("clock_step")); }

}  // namespace stx
