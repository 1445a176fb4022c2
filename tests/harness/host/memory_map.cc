// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/host/memory_map.h"

#include <algorithm>
#include <sstream>
#include <stdexcept>

#include "base/os.h"

namespace stx {
namespace {

std::string MakeProcPath(pid_t pid, const char* file) {
  return "/proc/" + std::to_string(pid) + "/" + file;
}

}  // namespace

std::string Mapping::ToString() const {
  std::ostringstream text;
  text << std::hex << start << '-' << end << std::dec << ' ' << permissions << ' ' << size() / 1024
       << " KiB " << name;
  return text.str();
}

std::vector<Mapping> ReadMappings(pid_t pid) {
  std::vector<Mapping> mappings;
  std::istringstream in(ReadFile(MakeProcPath(pid, "smaps")));
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string first;
    words >> first;
    if (first.back() != ':') {
      // 55d0c2a00000-55d0c2c00000 r-xp 00000000 fe:01 1234   /usr/bin/...
      Mapping mapping;
      const size_t dash = first.find('-');
      mapping.start = std::stoull(first.substr(0, dash), nullptr, 16);
      mapping.end = std::stoull(first.substr(dash + 1), nullptr, 16);
      std::string device, inode;
      words >> mapping.permissions >> std::hex >> mapping.offset >> device >> inode >> std::ws;
      std::getline(words, mapping.name);
      mappings.push_back(std::move(mapping));
      continue;
    }
    if (mappings.empty()) continue;
    Mapping& mapping = mappings.back();
    if (first == "VmFlags:") {
      for (std::string flag; words >> flag;) mapping.flags.insert(flag);
      continue;
    }
    uint64_t kib = 0;
    words >> kib;
    if (first == "KernelPageSize:") mapping.page_size = kib * 1024;
    if (first == "Rss:") mapping.resident = kib * 1024;
    if (first == "Pss:") mapping.pss = kib * 1024;
    if (first == "Private_Dirty:") mapping.private_dirty = kib * 1024;
    if (first == "Locked:") mapping.locked = kib * 1024;
    if (first == "Shared_Hugetlb:" || first == "Private_Hugetlb:") mapping.hugetlb += kib * 1024;
  }
  return mappings;
}

std::vector<Mapping> ReadLockedMappings(pid_t pid) {
  std::vector<Mapping> mappings = ReadMappings(pid);
  std::erase_if(mappings, [](const Mapping& mapping) { return !mapping.is_locked(); });
  return mappings;
}

uint64_t ReadStatusSize(pid_t pid, const std::string& field) {
  std::istringstream in(ReadFile(MakeProcPath(pid, "status")));
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(field + ":")) return std::stoull(line.substr(field.size() + 1)) * 1024;
  throw std::runtime_error("no " + field + " in " + MakeProcPath(pid, "status"));
}

}  // namespace stx
