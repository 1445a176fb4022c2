// SPDX-License-Identifier: GPL-2.0-or-later
// What the guest sees of its machine. Each function is an operation of ops.cc and returns its
// reply.
#pragma once

#include <nlohmann/json.hpp>

namespace stx::guestd {

using json = nlohmann::json;

json Cpus(const json&);
json Memory(const json&);
json Blocks(const json&);
json Nets(const json&);
json Pci(const json&);

}  // namespace stx::guestd
