// SPDX-License-Identifier: GPL-2.0-or-later
// A child process as Kata's shim starts one: inherited descriptors from 3 upward, stdin and stdout
// on /dev/null, stderr kept.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/os.h"

namespace stx {

struct SpawnOptions {
  /// inherit[i] becomes descriptor 3 + i of the child. They stay the caller's to close.
  std::vector<int> inherit;
  /// Has the child inherit `fd`; returns the number that it has there.
  int Inherit(int fd) {
    inherit.push_back(fd);
    return 2 + static_cast<int>(inherit.size());
  }
  /// Where stdout goes; empty is /dev/null.
  std::filesystem::path stdout_file;
  /// NAME=value, added to the environment.
  std::vector<std::string> environment;
  /// RLIMIT_MEMLOCK of the child, in bytes; unset leaves the parent's.
  std::optional<unsigned long long> memlock_limit;
  /// Runs in the child before exec, async-signal-safe calls only; returns false to give up.
  bool (*before_exec)() = nullptr;
};

/// How a process ended: exit code, or the signal that killed it.
struct ExitStatus {
  int code = 0;
  int signal = 0;
  bool Success() const { return code == 0 && signal == 0; }
  /// "exit code 1", "killed by signal 9".
  std::string ToString() const;
};

/// A child that is killed and reaped at the end of this object's life.
class Process {
 public:
  Process() = default;
  /// Starts argv[0], looked up in PATH. Throws when it cannot be executed.
  Process(const std::vector<std::string>& argv, const SpawnOptions& options);
  Process(Process&&) noexcept;
  Process& operator=(Process&&) noexcept;
  ~Process();

  pid_t pid() const { return pid_; }
  bool Running();
  /// Waits for the end; unset when it still runs at the deadline.
  std::optional<ExitStatus> Wait(Milliseconds timeout);
  void Signal(int signal);
  /// SIGKILL and reap; does nothing to a process that has ended.
  void Kill();
  /// All that came on stderr so far.
  std::string Stderr() const;

 private:
  void Collect(int wait_status);

  pid_t pid_ = -1;
  std::optional<ExitStatus> status_;
  UniqueFd stderr_;  // an unlinked file: no reader thread is needed and nothing is lost
};

/// stderr split as Kata's shim splits it (contract 1.1): lines that match "^[^:]+: warning: ", and
/// all other lines, which it logs as errors.
struct StderrLines {
  std::vector<std::string> warnings;
  std::vector<std::string> errors;
};
StderrLines SplitStderr(const std::string& text);

/// Runs to the end and returns status, stdout and stderr; kills and throws at the deadline.
struct RunResult {
  ExitStatus status;
  std::string out;
  std::string err;
};
RunResult Run(const std::vector<std::string>& argv, Milliseconds timeout,
              SpawnOptions options = {});
/// The same, and throws when it fails: "`what`: how it ended", and all that it said.
RunResult RunWell(const std::vector<std::string>& argv, const std::string& what,
                  Milliseconds timeout, SpawnOptions options = {});

}  // namespace stx
