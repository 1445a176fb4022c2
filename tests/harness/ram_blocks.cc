#include "harness/ram_blocks.h"

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

std::vector<RamBlock> RamBlocks(Qmp& qmp) {
  std::vector<RamBlock> blocks;
  std::istringstream in(qmp.Hmp("info ramblock"));
  std::string line;
  std::getline(in, line);  // the head of the table
  while (std::getline(in, line)) {
    std::istringstream words(line);
    std::vector<std::string> fields;
    for (std::string word; words >> word;) fields.push_back(word);
    // Name or nothing, page size, its unit, offset, used, total.
    const size_t n = fields.size();
    if (n < 5) continue;
    blocks.push_back({n > 5 ? fields[0] : "", std::stoull(fields[n - 5]) * Unit(fields[n - 4]),
                      std::stoull(fields[n - 2], nullptr, 16),
                      std::stoull(fields[n - 1], nullptr, 16)});
  }
  return blocks;
}

RamBlock RamBlockNamed(Qmp& qmp, const std::string& name) {
  for (const RamBlock& block : RamBlocks(qmp))
    if (block.name == name) return block;
  throw std::runtime_error("no RAM block " + name);
}

}  // namespace stx
