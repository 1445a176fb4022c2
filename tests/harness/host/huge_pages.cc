// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/host/huge_pages.h"

#include <exception>
#include <string>

#include "base/os.h"

namespace stx {
namespace {

constexpr char kFile[] = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";

int Reserved() { return std::stoi(ReadFile(kFile)); }

/// Others may reserve and return pages at the same time, so we only add and subtract our share.
int Change(int difference) {
  const int before = Reserved();
  WriteFile(kFile, std::to_string(before + difference));
  return Reserved() - before;
}

}  // namespace

HugePages::HugePages(int count) : count_(0) {
  try {
    count_ = Change(count);
    enough_ = count_ >= count;
  } catch (const std::exception&) {
    enough_ = false;
  }
}

HugePages::~HugePages() {
  try {
    if (count_ > 0) Change(-count_);
  } catch (const std::exception&) {
    // A destructor cannot do anything about it.
  }
}

}  // namespace stx
