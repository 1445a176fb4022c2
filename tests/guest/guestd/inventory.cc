// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/guestd/inventory.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "guest/guestd/sys.h"

namespace stx::guestd {

namespace {

uint64_t Number(const std::string& path, int base = 10) {
  return strtoull(ReadAttribute(path).c_str(), nullptr, base);
}

/// "0-2,5" as [0, 1, 2, 5].
json NumberList(const std::string& path) {
  json numbers = json::array();
  for (const std::string& range : Split(ReadAttribute(path), ',')) {
    auto ends = Split(range, '-');
    uint64_t first = strtoull(ends.front().c_str(), nullptr, 10);
    uint64_t last = strtoull(ends.back().c_str(), nullptr, 10);
    for (; first <= last; first++) numbers.push_back(first);
  }
  return numbers;
}

/// The value in kB of a line "NAME:   123 kB" of /proc/meminfo.
uint64_t MemInfo(const std::string& text, const std::string& name) {
  size_t at = text.find(name + ":");
  if (at == std::string::npos) return 0;
  return strtoull(text.c_str() + at + name.size() + 1, nullptr, 10);
}

}  // namespace

// Linux lists a hot-plugged CPU as present before it creates the file that sets the CPU online.
// Here the CPU is present once that file exists.
json Cpus(const json&) {
  const std::string cpu = "/sys/devices/system/cpu/";
  const json online = NumberList(cpu + "online");
  json present = json::array();
  for (const json& number : NumberList(cpu + "present"))
    if (std::ranges::find(online, number) != online.end() ||
        access((cpu + "cpu" + number.dump() + "/online").c_str(), F_OK) == 0)
      present.push_back(number);
  return {{"online", online}, {"present", present}, {"possible", NumberList(cpu + "possible")}};
}

json Memory(const json&) {
  const std::string memory = "/sys/devices/system/memory/";
  std::string info = ReadText("/proc/meminfo");
  json blocks = json::array();
  for (const std::string& name : ListNames(memory))
    if (name.starts_with("memory"))
      blocks.push_back({{"block", strtoull(name.c_str() + 6, nullptr, 10)},
                        {"state", ReadAttribute(memory + name + "/state")}});
  return {{"total_kb", MemInfo(info, "MemTotal")},
          {"free_kb", MemInfo(info, "MemFree")},
          {"available_kb", MemInfo(info, "MemAvailable")},
          {"huge_pages", MemInfo(info, "HugePages_Total")},
          {"block_bytes", Number(memory + "block_size_bytes", 16)},
          {"blocks", blocks}};
}

json Blocks(const json&) {
  json blocks = json::array();
  for (const std::string& name : ListNames("/sys/block")) {
    std::string dir = "/sys/block/" + name;
    uint64_t bytes = Number(dir + "/size") * 512;  // always in 512-byte units
    if (bytes == 0) continue;                      // a loop device without a file
    blocks.push_back({{"name", name},
                      {"bytes", bytes},
                      {"read_only", Number(dir + "/ro") != 0},
                      {"serial", ReadAttribute(dir + "/serial")},
                      {"device", ResolvePath(dir + "/device")}});
  }
  return {{"blocks", blocks}};
}

json Nets(const json&) {
  json nets = json::array();
  for (const std::string& name : ListNames("/sys/class/net")) {
    std::string dir = "/sys/class/net/" + name;
    nets.push_back({{"name", name},
                    {"mac", ReadAttribute(dir + "/address")},
                    {"up", (Number(dir + "/flags", 16) & 1) != 0},
                    {"mtu", Number(dir + "/mtu")},
                    {"driver", ReadLinkName(dir + "/device/driver")},
                    {"queues", ListNames(dir + "/queues").size() / 2},
                    {"device", ResolvePath(dir + "/device")}});
  }
  return {{"nets", nets}};
}

json Pci(const json&) {
  json devices = json::array();
  for (const std::string& address : ListNames("/sys/bus/pci/devices")) {
    std::string dir = "/sys/bus/pci/devices/" + address;
    devices.push_back({{"address", address},
                       {"vendor", Number(dir + "/vendor", 16)},
                       {"device", Number(dir + "/device", 16)},
                       {"class", Number(dir + "/class", 16)},
                       {"driver", ReadLinkName(dir + "/driver")},
                       {"path", ResolvePath(dir)}});
  }
  return {{"pci", devices}};
}

}  // namespace stx::guestd
