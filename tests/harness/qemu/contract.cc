// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/qemu/contract.h"

#include <iostream>

namespace stx {

void Covers(std::initializer_list<std::string_view> rows) {
  for (std::string_view row : rows) std::cout << kContractMark << row << "\n";
  std::cout.flush();
}

void MarkNotSeen(std::initializer_list<std::string_view> rows) {
  for (std::string_view row : rows) std::cout << kUnseenMark << row << "\n";
  std::cout.flush();
}

}  // namespace stx
