// SPDX-License-Identifier: GPL-2.0-or-later
// The RAM blocks of a machine as QEMU reports them (HMP "info ramblock").
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/qemu/qmp.h"

namespace stx {

struct RamBlock {
  std::string name;  ///< in the migration stream; empty for blocks that do not migrate
  uint64_t page_size, used, total;  ///< in bytes
};

std::vector<RamBlock> ReadRamBlocks(Qmp& qmp);
/// Throws if there is none.
RamBlock FindRamBlock(Qmp& qmp, const std::string& name);

}  // namespace stx
