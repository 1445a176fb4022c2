// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench/syscalls.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "base/os.h"

namespace stx {
namespace {

constexpr int kSyscallStop = SIGTRAP | 0x80;  // PTRACE_O_TRACESYSGOOD

/// Of a thread that has stopped at a system call: its number when it enters, nothing when it
/// leaves.
void CountStop(pid_t tid, SyscallCount* count) {
  __ptrace_syscall_info info{};
  if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof(info), &info) > 0 &&
      info.op == PTRACE_SYSCALL_INFO_ENTRY)
    ++count->by_number[info.entry.nr];
}

}  // namespace

uint64_t SyscallCount::total() const {
  uint64_t sum = 0;
  for (const auto& [number, times] : by_number) sum += times;
  return sum;
}

SyscallCount CountSyscalls(const std::vector<std::string>& argv) {
  std::vector<char*> arguments;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  const pid_t program = fork();
  if (program < 0) ThrowErrno("fork");
  if (program == 0) {
    if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0) execvp(arguments[0], arguments.data());
    _exit(127);
  }
  int status = 0;
  if (waitpid(program, &status, 0) != program) ThrowErrno("waitpid");
  // Its first stop is at the end of a successful exec.
  if (!WIFSTOPPED(status)) {
    errno = ENOEXEC;
    ThrowErrno("cannot trace " + argv.at(0));
  }
  const long options = PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE |
                       PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK;
  if (ptrace(PTRACE_SETOPTIONS, program, nullptr, options) < 0) ThrowErrno("PTRACE_SETOPTIONS");
  SyscallCount count;
  pid_t tid = program;
  int signal = 0;
  for (;;) {
    // ESRCH: it was killed while it was stopped; wait tells of its end.
    if (ptrace(PTRACE_SYSCALL, tid, nullptr, signal) < 0 && errno != ESRCH)
      ThrowErrno("PTRACE_SYSCALL");
    signal = 0;
    for (;;) {
      tid = waitpid(-1, &status, __WALL);
      if (tid < 0 && errno == ECHILD) return count;
      if (tid < 0) ThrowErrno("waitpid");
      if (WIFSTOPPED(status)) break;
      if (tid == program)
        count.exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
    const int stop = WSTOPSIG(status);
    if (stop == kSyscallStop) {
      CountStop(tid, &count);
    } else if (stop != SIGTRAP && stop != SIGSTOP) {
      signal = stop;  // its own, passed on
    }
  }
}

}  // namespace stx
