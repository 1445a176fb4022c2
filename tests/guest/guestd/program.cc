// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/guestd/program.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <iterator>

#include "guest/guestd/sys.h"

namespace stx::guestd {

namespace {

struct Pipe {
  Fd read, write;
  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) Fail("pipe");
    read = Fd(ends[0]);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    write = Fd(ends[1]);
  }
};

[[noreturn]] void ExecChild(const std::vector<std::string>& argv, int out, int err, int failure) {
  std::vector<char*> words;
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  dup2(open("/dev/null", O_RDONLY), 0);
  dup2(out, 1);
  dup2(err, 2);
  signal(SIGPIPE, SIG_DFL);
  setsid();
  // The PATH of a login; the kernel and systemd set a shorter one.
  setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
  setenv("HOME", "/root", 0);
  execvp(words[0], words.data());
  int reason = errno;
  ssize_t n = write(failure, &reason, sizeof(reason));
  _exit(n == sizeof(reason) ? 127 : 126);
}

/// One of the program's two output streams.
struct Output {
  std::string text;
  uint64_t cut = 0;

  /// Reads everything that is available; false at the end of the stream.
  bool Drain(int fd) {
    std::array<char, 65536> chunk;
    for (;;) {
      ssize_t n = read(fd, chunk.data(), chunk.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return n < 0 && errno == EAGAIN;
      size_t kept = std::min(static_cast<size_t>(n), kMaxOutput - text.size());
      text.append(chunk.data(), kept);
      cut += static_cast<size_t>(n) - kept;
    }
  }
  std::string Take() {
    if (cut) text += "\n[guestd: " + std::to_string(cut) + " more bytes are cut]\n";
    return std::move(text);
  }
};

}  // namespace

RunOutcome RunProgram(const std::vector<std::string>& argv, uint64_t timeout_ms, int host) {
  Pipe out, err, failure;
  pid_t child = fork();
  if (child < 0) Fail("fork");
  if (child == 0) ExecChild(argv, out.write.get(), err.write.get(), failure.write.get());
  for (Pipe* pipe : {&out, &err, &failure}) pipe->write = Fd();
  // Becomes readable when the program has ended.
  Fd program(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));

  Output outputs[2];
  pollfd polled[] = {{out.read.get(), POLLIN, 0},
                     {err.read.get(), POLLIN, 0},
                     {program.get(), POLLIN, 0},
                     {host, POLLIN | POLLRDHUP, 0}};
  const int64_t deadline = GetUptimeMs() + static_cast<int64_t>(timeout_ms);
  bool ended = false;
  for (int64_t left; !ended && (left = deadline - GetUptimeMs()) > 0;) {
    if (poll(polled, std::size(polled), static_cast<int>(std::min<int64_t>(left, 60000))) <= 0)
      continue;
    ended = polled[2].revents;
    if (polled[3].revents) break;
    for (size_t i : {0u, 1u})
      if (polled[i].fd >= 0 && (polled[i].revents || ended) && !outputs[i].Drain(polled[i].fd))
        polled[i].fd = -1;
  }
  if (!ended) kill(-child, SIGKILL);
  int status = 0;
  waitpid(child, &status, 0);
  int reason = 0;
  if (read(failure.read.get(), &reason, sizeof(reason)) == sizeof(reason)) {
    errno = reason;
    Fail(argv.front());
  }
  RunOutcome outcome;
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
  outcome.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  outcome.out = outputs[0].Take();
  outcome.err = outputs[1].Take();
  return outcome;
}

}  // namespace stx::guestd
