// SPDX-License-Identifier: GPL-2.0-or-later
#include "process.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

namespace restack {

ProcessResult RunProcess(const std::vector<std::string>& arguments, const std::string& folder,
                         const std::vector<std::string>& environment) {
  ProcessResult result;
  int pipe_fds[2];
  if (pipe(pipe_fds) != 0) return result;
  pid_t child = fork();
  if (child == 0) {
    dup2(pipe_fds[1], 1);
    dup2(pipe_fds[1], 2);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    if (chdir(folder.c_str()) != 0) _exit(127);
    for (const std::string& entry : environment) putenv(const_cast<char*>(entry.c_str()));
    std::vector<char*> argv;
    for (const std::string& argument : arguments)
      argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    execvp(argv[0], argv.data());
    _exit(127);
  }
  close(pipe_fds[1]);
  char buffer[65536];
  for (ssize_t got; child > 0 && (got = read(pipe_fds[0], buffer, sizeof buffer)) > 0;)
    result.output.append(buffer, static_cast<size_t>(got));
  close(pipe_fds[0]);
  int status = 0;
  if (child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status))
    result.status = WEXITSTATUS(status);
  return result;
}

}  // namespace restack
