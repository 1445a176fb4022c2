// SPDX-License-Identifier: GPL-2.0-or-later
// What is made from the list of CVEs: the page for people and the statement for scanners.
#pragma once

#include <string>

#include "security/cve_list.h"

namespace stx {

/// docs/security.md.
std::string SecurityPage(const CveList& list);

/// An OpenVEX 0.2.0 document in JSON about our packages. "@VERSION@" stands for their version,
/// which debian/rules puts there.
std::string OpenVex(const CveList& list);

}  // namespace stx
