#include "guest/guestd/run.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "guest/guestd/sys.h"

namespace stx::guestd {

namespace {

constexpr size_t kMaxOutput = 4u << 20;

struct Pipe {
  Fd read, write;
  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) Fail("pipe");
    read = Fd(ends[0]);
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
  setenv("PATH", "/bin:/sbin", 1);
  execvp(words[0], words.data());
  int reason = errno;
  ssize_t n = write(failure, &reason, sizeof(reason));
  _exit(n == sizeof(reason) ? 127 : 126);
}

/// Reads what is there; false at the end of the stream.
bool Drain(int fd, std::string* text) {
  std::array<char, 65536> chunk;
  ssize_t n = read(fd, chunk.data(), chunk.size());
  if (n <= 0) return n < 0 && errno == EINTR;
  if (text->size() < kMaxOutput) text->append(chunk.data(), static_cast<size_t>(n));
  return true;
}

}  // namespace

RunOutcome RunProgram(const std::vector<std::string>& argv, uint64_t timeout_ms) {
  Pipe out, err, failure;
  pid_t child = fork();
  if (child < 0) Fail("fork");
  if (child == 0) ExecChild(argv, out.write.get(), err.write.get(), failure.write.get());
  for (Pipe* pipe : {&out, &err, &failure}) pipe->write = Fd();

  RunOutcome outcome;
  int64_t deadline = UptimeMs() + static_cast<int64_t>(timeout_ms);
  std::array<pollfd, 2> polled{pollfd{out.read.get(), POLLIN, 0},
                               pollfd{err.read.get(), POLLIN, 0}};
  std::array<std::string*, 2> texts{&outcome.out, &outcome.err};
  while (polled[0].fd >= 0 || polled[1].fd >= 0) {
    int64_t left = deadline - UptimeMs();
    if (left <= 0) break;
    if (poll(polled.data(), polled.size(), static_cast<int>(left)) <= 0) continue;
    for (size_t i = 0; i < polled.size(); i++)
      if (polled[i].fd >= 0 && polled[i].revents && !Drain(polled[i].fd, texts[i]))
        polled[i].fd = -1;
  }
  int status = 0;
  while (waitpid(child, &status, WNOHANG) == 0) {
    if (UptimeMs() >= deadline) kill(-child, SIGKILL);
    usleep(500);
  }
  int reason = 0;
  if (read(failure.read.get(), &reason, sizeof(reason)) == sizeof(reason)) {
    errno = reason;
    Fail(argv.front());
  }
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
  outcome.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  return outcome;
}

}  // namespace stx::guestd
