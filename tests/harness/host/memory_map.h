// SPDX-License-Identifier: GPL-2.0-or-later
// What the kernel reports about a process's memory: /proc/PID/smaps and /proc/PID/status (proc(5)).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace stx {

/// One mapping; sizes in bytes.
struct Mapping {
  uint64_t start = 0, end = 0;
  std::string permissions;  ///< "rw-p"
  uint64_t offset = 0;
  std::string name;  ///< path, "[heap]", or empty
  uint64_t resident = 0;
  uint64_t pss = 0;             ///< resident pages, each divided by those that map it
  uint64_t private_dirty = 0;   ///< written, and in no other process
  uint64_t locked = 0;          ///< this process's share of locked resident pages
  uint64_t page_size = 0;       ///< of the pages that back the mapping
  uint64_t hugetlb = 0;         ///< resident huge pages, which `resident` does not count
  std::set<std::string> flags;  ///< VmFlags: "lo" locked, "ht" huge pages, "nr" no reserve

  uint64_t size() const { return end - start; }
  bool is_locked() const { return flags.contains("lo"); }
  bool is_code() const { return permissions.at(2) == 'x'; }
  /// "7f..-7f.. rw-p 16 KiB /path", for the message of a failed case.
  std::string ToString() const;
};

/// All mappings, ordered by address.
std::vector<Mapping> ReadMappings(pid_t pid);
/// The mappings that the kernel has marked as locked.
std::vector<Mapping> ReadLockedMappings(pid_t pid);
/// A size from /proc/PID/status, in bytes; `field` is "VmLck" or "VmRSS".
uint64_t ReadStatusSize(pid_t pid, const std::string& field);

}  // namespace stx
