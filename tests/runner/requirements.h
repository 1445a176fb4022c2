// SPDX-License-Identifier: GPL-2.0-or-later
// The page that shows what virtio 1.2 demands of devices (tests/virtio/requirements.txt) and which
// cases answer for it.
#pragma once

#include <string>
#include <vector>

#include "runner/contract_table.h"

namespace stx {

/// `rows` have ids of the form "virtio SECTION NAME".
std::string MakeRequirementsPage(const std::vector<ContractRow>& rows,
                                 const std::vector<SuiteResult>& results);

}  // namespace stx
