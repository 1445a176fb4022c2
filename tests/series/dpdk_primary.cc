// SPDX-License-Identifier: GPL-2.0-or-later
// A minimal DPDK primary process in place of a virtual switch. Its arguments are those of the EAL.
// On descriptor 3 it exchanges lines with the test:
//   -> "ADDRESS LENGTH"  once it is up: a memzone of kBytes bytes at that virtual address
//   <- "grow"            reserve another memzone, in hugepages that it did not have before
//   -> "ADDRESS LENGTH"  or "error REASON": every secondary process must have mapped them, too
// Each memzone holds the bytes 0, 1, ... 255, 0, 1, ... At the end of input it cleans up.
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_memzone.h>

#include <cinttypes>
#include <cstdio>
#include <string>
#include <string_view>

namespace {

constexpr size_t kFirst = 4096;
// More than one 2 MiB page, so that no free part of the heap is large enough.
constexpr size_t kGrown = 3 << 20;

std::string Reserve(const char* name, size_t length) {
  const rte_memzone* zone = rte_memzone_reserve(name, length, SOCKET_ID_ANY, 0);
  if (zone == nullptr) return std::string("error ") + rte_strerror(rte_errno);
  auto* bytes = static_cast<uint8_t*>(zone->addr);
  for (size_t i = 0; i < length; ++i) bytes[i] = static_cast<uint8_t>(i);
  char line[64];
  std::snprintf(line, sizeof line, "%" PRIx64 " %zu", zone->addr_64, length);
  return line;
}

}  // namespace

int main(int argc, char** argv) {
  FILE* commands = fdopen(3, "r");
  if (commands == nullptr || rte_eal_init(argc, argv) < 0) return 1;
  dprintf(3, "%s\n", Reserve("stx_first", kFirst).c_str());
  char line[16];
  while (std::fgets(line, sizeof line, commands) != nullptr) {
    if (std::string_view(line) != "grow\n") return 2;
    dprintf(3, "%s\n", Reserve("stx_grown", kGrown).c_str());
  }
  return rte_eal_cleanup() == 0 ? 0 : 3;
}
