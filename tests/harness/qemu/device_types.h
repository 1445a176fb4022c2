// SPDX-License-Identifier: GPL-2.0-or-later
// What the binary under test contains, for cases that only some binaries can run.
#pragma once

#include <string>

namespace stx {

/// Whether $QEMU has this -device type; each process asks QEMU only once. Distributions put some
/// types into modules in packages of their own; a type that cannot be loaded counts as absent.
bool HasDeviceType(const std::string& name);
/// Whether $QEMU has this -object type.
bool HasObjectType(const std::string& name);

}  // namespace stx
