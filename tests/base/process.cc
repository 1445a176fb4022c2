// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <regex>
#include <sstream>
#include <stdexcept>

namespace stx {
namespace {

/// Runs between fork and exec, so only async-signal-safe calls are allowed. Returns the errno of
/// the call that failed.
int SetUpChild(const SpawnOptions& options, int out, int err) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  int null = open("/dev/null", O_RDWR);
  const int count = static_cast<int>(options.inherit.size());
  // First move the descriptors away from the target numbers, then to them, because the two sets may
  // overlap.
  int moved[64];
  if (count > 64) return E2BIG;
  for (int i = 0; i < count; ++i)
    if ((moved[i] = fcntl(options.inherit[static_cast<size_t>(i)], F_DUPFD, 256)) < 0) return errno;
  int out_copy = fcntl(out >= 0 ? out : null, F_DUPFD, 256);
  int err_copy = fcntl(err, F_DUPFD, 256);
  if (dup2(null, 0) < 0 || dup2(out_copy, 1) < 0 || dup2(err_copy, 2) < 0) return errno;
  for (int i = 0; i < count; ++i)
    if (dup2(moved[i], 3 + i) < 0) return errno;
  syscall(SYS_close_range, 3 + count, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */);
  if (options.memlock_limit) {
    rlimit limit{*options.memlock_limit, *options.memlock_limit};
    if (setrlimit(RLIMIT_MEMLOCK, &limit) < 0) return errno;
  }
  if (options.before_exec && !options.before_exec()) return errno ? errno : EPERM;
  return 0;
}

}  // namespace

std::string ExitStatus::ToString() const {
  return signal ? "killed by signal " + std::to_string(signal)
                : "exit code " + std::to_string(code);
}

Process::Process(const std::vector<std::string>& argv, const SpawnOptions& options) {
  UniqueFd out;
  if (!options.stdout_file.empty()) {
    out.Reset(open(options.stdout_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!out) ThrowErrno("cannot write " + options.stdout_file.string());
  }
  stderr_.Reset(memfd_create("stderr", MFD_CLOEXEC));
  if (!stderr_ || fcntl(stderr_.get(), F_SETFL, O_APPEND) < 0) ThrowErrno("memfd_create");

  std::vector<char*> args;
  for (const std::string& a : argv) args.push_back(const_cast<char*>(a.c_str()));
  args.push_back(nullptr);
  std::vector<char*> environment;
  for (char** e = environ; *e; ++e) environment.push_back(*e);
  for (const std::string& e : options.environment)
    environment.push_back(const_cast<char*>(e.c_str()));
  environment.push_back(nullptr);

  int report[2];  // carries the errno if exec fails; a successful exec closes it
  if (pipe2(report, O_CLOEXEC) < 0) ThrowErrno("pipe");
  UniqueFd report_read(report[0]), report_write(report[1]);
  pid_ = fork();
  if (pid_ < 0) ThrowErrno("fork");
  if (pid_ == 0) {
    int keep = fcntl(report[1], F_DUPFD_CLOEXEC, 512);
    int error = SetUpChild(options, out.get(), stderr_.get());
    if (error == 0) {
      execvpe(args[0], args.data(), environment.data());
      error = errno;
    }
    (void)!write(keep, &error, sizeof(error));
    _exit(127);
  }
  report_write.Reset();
  int error = 0;
  if (read(report_read.get(), &error, sizeof(error)) == sizeof(error)) {
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
    errno = error;
    ThrowErrno("cannot start " + argv.at(0));
  }
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      status_(other.status_),
      stderr_(std::move(other.stderr_)) {}

Process& Process::operator=(Process&& other) noexcept {
  if (this != &other) {
    Kill();
    pid_ = std::exchange(other.pid_, -1);
    status_ = other.status_;
    stderr_ = std::move(other.stderr_);
  }
  return *this;
}

Process::~Process() { Kill(); }

void Process::Collect(int wait_status) {
  status_ = WIFSIGNALED(wait_status) ? ExitStatus{0, WTERMSIG(wait_status)}
                                     : ExitStatus{WEXITSTATUS(wait_status), 0};
}

bool Process::Running() { return pid_ > 0 && !Wait(Milliseconds(0)); }

std::optional<ExitStatus> Process::Wait(Milliseconds timeout) {
  if (status_ || pid_ <= 0) return status_;
  Deadline deadline(timeout);
  UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
  if (pidfd) WaitFor(pidfd.get(), 1 /* POLLIN */, deadline);
  int wait_status = 0;
  if (waitpid(pid_, &wait_status, WNOHANG) == pid_) Collect(wait_status);
  return status_;
}

void Process::Signal(int signal) {
  if (!status_ && pid_ > 0) kill(pid_, signal);
}

void Process::Kill() {
  if (status_ || pid_ <= 0) return;
  kill(pid_, SIGKILL);
  int wait_status = 0;
  while (waitpid(pid_, &wait_status, 0) < 0 && errno == EINTR) {
  }
  Collect(wait_status);
}

std::string Process::Stderr() const {
  std::string text;
  char buffer[4096];
  ssize_t n;
  while ((n = pread(stderr_.get(), buffer, sizeof(buffer), static_cast<off_t>(text.size()))) > 0)
    text.append(buffer, static_cast<size_t>(n));
  return text;
}

StderrLines SplitStderr(const std::string& text) {
  static const std::regex warning("^[^:]+: warning: ");
  StderrLines lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);)
    (std::regex_search(line, warning) ? lines.warnings : lines.errors).push_back(line);
  return lines;
}

RunResult Run(const std::vector<std::string>& argv, Milliseconds timeout, SpawnOptions options) {
  TempDir dir;
  if (options.stdout_file.empty()) options.stdout_file = dir / "stdout";
  Process process(argv, options);
  auto status = process.Wait(timeout);
  if (!status)
    throw std::runtime_error(argv.at(0) + " still runs after " + std::to_string(timeout.count()) +
                             " ms; stderr: " + process.Stderr());
  return {*status, ReadFile(options.stdout_file), process.Stderr()};
}

RunResult RunWell(const std::vector<std::string>& argv, const std::string& what,
                  Milliseconds timeout, SpawnOptions options) {
  RunResult result = Run(argv, timeout, std::move(options));
  if (!result.status.Success())
    throw std::runtime_error(what + ": " + result.status.ToString() + "\n" + result.out +
                             result.err);
  return result;
}

}  // namespace stx
