// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/host/threads.h"

#include <sched.h>

#include <filesystem>
#include <sstream>
#include <system_error>

#include "base/os.h"

namespace stx {
namespace {

/// The value of a "Name:\tvalue" line of /proc/PID/status.
std::string FindStatusField(const std::string& status, const std::string& name) {
  size_t at = status.find("\n" + name + ":\t");
  if (at == std::string::npos) return "";
  at += name.size() + 3;
  return status.substr(at, status.find('\n', at) - at);
}

}  // namespace

int CountUsableCpus() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
}

std::vector<ThreadInfo> ReadThreads(pid_t pid) {
  std::vector<ThreadInfo> threads;
  for (const auto& task :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task")) {
    try {
      const std::string status = ReadFile(task.path() / "status");
      const std::string stat = ReadFile(task.path() / "stat");
      ThreadInfo thread;
      thread.tid = std::stoi(task.path().filename());
      thread.name = status.substr(6, status.find('\n') - 6);  // "Name:\t"
      thread.cpus = FindStatusField(status, "Cpus_allowed_list");
      thread.seccomp = std::stoi("0" + FindStatusField(status, "Seccomp"));
      // The name may contain anything, so count fields from its closing bracket; field 3 comes
      // next.
      std::istringstream fields(stat.substr(stat.rfind(')') + 2));
      std::string field;
      for (int number = 3; fields >> field; ++number) {
        if (number == 40) thread.priority = std::stoi(field);
        if (number == 41) thread.policy = std::stoi(field);
      }
      threads.push_back(std::move(thread));
    } catch (const std::system_error&) {
      continue;
    }
  }
  return threads;
}

}  // namespace stx
