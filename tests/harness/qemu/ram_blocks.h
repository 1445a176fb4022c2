// SPDX-License-Identifier: GPL-2.0-or-later
// The RAM blocks of a machine as QEMU reports them (HMP "info ramblock").
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/qemu/qmp.h"

namespace stx {

struct RamBlock {
  std::string name;  ///< of the migration stream; empty for those that do not migrate
  uint64_t page_size, used, total;  ///< bytes
};

std::vector<RamBlock> RamBlocks(Qmp& qmp);
/// Throws when there is none.
RamBlock RamBlockNamed(Qmp& qmp, const std::string& name);

}  // namespace stx
