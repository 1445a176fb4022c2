// SPDX-License-Identifier: GPL-2.0-or-later
// A child process started as Kata's shim starts one: inherited descriptors from 3 upward, stdin and
// stdout on /dev/null, stderr kept.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/os.h"

namespace stx {

struct SpawnOptions {
  /// inherit[i] becomes descriptor 3 + i of the child. The caller still owns and closes them.
  std::vector<int> inherit;
  /// Makes the child inherit `fd`; returns its number in the child.
  int Inherit(int fd) {
    inherit.push_back(fd);
    return 2 + static_cast<int>(inherit.size());
  }
  /// The file that receives stdout; if empty, /dev/null.
  std::filesystem::path stdout_file;
  /// NAME=value, added to the environment.
  std::vector<std::string> environment;
  /// RLIMIT_MEMLOCK of the child, in bytes. If unset, the parent's limit applies.
  std::optional<unsigned long long> memlock_limit;
  /// Runs in the child before exec and may use async-signal-safe calls only. If it returns false,
  /// the child exits.
  bool (*before_exec)() = nullptr;
};

/// How a process ended: its exit code, or the signal that killed it.
struct ExitStatus {
  int code = 0;
  int signal = 0;
  bool Success() const { return code == 0 && signal == 0; }
  /// "exit code 1", "killed by signal 9".
  std::string ToString() const;
};

/// A child process. The destructor kills and reaps it.
class Process {
 public:
  Process() = default;
  /// Starts argv[0], which is looked up in PATH. Throws if it cannot be executed.
  Process(const std::vector<std::string>& argv, const SpawnOptions& options);
  Process(Process&&) noexcept;
  Process& operator=(Process&&) noexcept;
  ~Process();

  pid_t pid() const { return pid_; }
  bool Running();
  /// Waits for the process to end; unset if it still runs after the timeout.
  std::optional<ExitStatus> Wait(Milliseconds timeout);
  void Signal(int signal);
  /// Sends SIGKILL and reaps the process. Does nothing if it has already ended.
  void Kill();
  /// Everything that the process has written to stderr so far.
  std::string Stderr() const;

 private:
  void Collect(int wait_status);

  pid_t pid_ = -1;
  std::optional<ExitStatus> status_;
  UniqueFd stderr_;  // an unlinked file, so no reader thread is needed and nothing is lost
};

/// stderr, split as Kata's shim splits it (contract 1.1): lines that match "^[^:]+: warning: ", and
/// all other lines, which the shim logs as errors.
struct StderrLines {
  std::vector<std::string> warnings;
  std::vector<std::string> errors;
};
StderrLines SplitStderr(const std::string& text);

/// Runs a program to its end and returns its status, stdout and stderr. Kills it and throws if it
/// exceeds the timeout.
struct RunResult {
  ExitStatus status;
  std::string out;
  std::string err;
};
RunResult Run(const std::vector<std::string>& argv, Milliseconds timeout,
              SpawnOptions options = {});
/// Like Run, but throws if the program fails: "`what`: how it ended", followed by its output.
RunResult RunWell(const std::vector<std::string>& argv, const std::string& what,
                  Milliseconds timeout, SpawnOptions options = {});

}  // namespace stx
