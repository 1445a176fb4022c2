// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/terminal.h"

#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include "base/os.h"

namespace stx {
namespace {

constexpr char kEscape = 0x1d;  // Ctrl-]

class RawTerminal {
 public:
  RawTerminal() : is_terminal_(tcgetattr(STDIN_FILENO, &saved_) == 0) {
    if (!is_terminal_) return;
    termios raw = saved_;
    cfmakeraw(&raw);
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  }
  ~RawTerminal() {
    if (is_terminal_) tcsetattr(STDIN_FILENO, TCSANOW, &saved_);
  }
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

 private:
  termios saved_{};
  bool is_terminal_;
};

}  // namespace

bool JoinConsole(const std::filesystem::path& console) {
  UniqueFd guest = ConnectUnix(console, Deadline(Milliseconds(5000)));
  RawTerminal raw;
  WriteAll(guest.get(), "\n");  // the prompt was printed before anyone listened
  char buffer[4096];
  pollfd fds[] = {{STDIN_FILENO, POLLIN, 0}, {guest.get(), POLLIN, 0}};
  while (poll(fds, 2, -1) > 0) {
    if (fds[1].revents) {
      ssize_t n = read(guest.get(), buffer, sizeof(buffer));
      if (n <= 0) return true;
      WriteAll(STDOUT_FILENO, {buffer, static_cast<size_t>(n)});
    }
    if (fds[0].revents) {
      ssize_t n = read(STDIN_FILENO, buffer, sizeof(buffer));
      std::string_view typed(buffer, n > 0 ? static_cast<size_t>(n) : 0);
      WriteAll(guest.get(), typed.substr(0, typed.find(kEscape)));
      if (typed.find(kEscape) != std::string_view::npos) return false;
      if (n <= 0) {
        WriteAll(guest.get(), "\x04");
        fds[0].fd = -1;  // the guest's output continues to its end
      }
    }
  }
  return false;
}

}  // namespace stx
