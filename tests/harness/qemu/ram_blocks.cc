// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/qemu/ram_blocks.h"

#include <sstream>
#include <stdexcept>

namespace stx {
namespace {

uint64_t Unit(const std::string& name) {
  for (const auto& [unit, bytes] :
       {std::pair<const char*, uint64_t>{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}})
    if (name == unit) return bytes;
  throw std::runtime_error("info ramblock has a page size in " + name);
}

}  // namespace

std::vector<RamBlock> ReadRamBlocks(Qmp& qmp) {
  std::vector<RamBlock> blocks;
  std::istringstream in(qmp.Hmp("info ramblock"));
  std::string line;
  std::getline(in, line);  // the head of the table
  while (std::getline(in, line)) {
    std::istringstream words(line);
    std::vector<std::string> fields;
    for (std::string word; words >> word;) fields.push_back(word);
    // Name (may be empty), page size and its unit, offset, used, total; later versions add more.
    size_t unit = 0;
    while (unit < fields.size() && !fields[unit].ends_with("iB")) ++unit;
    if (unit == 0 || unit + 3 >= fields.size()) continue;
    blocks.push_back({unit > 1 ? fields[0] : "", std::stoull(fields[unit - 1]) * Unit(fields[unit]),
                      std::stoull(fields[unit + 2], nullptr, 16),
                      std::stoull(fields[unit + 3], nullptr, 16)});
  }
  return blocks;
}

RamBlock FindRamBlock(Qmp& qmp, const std::string& name) {
  for (const RamBlock& block : ReadRamBlocks(qmp))
    if (block.name == name) return block;
  throw std::runtime_error("no RAM block " + name);
}

}  // namespace stx
