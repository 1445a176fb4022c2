// SPDX-License-Identifier: GPL-2.0-or-later
// Machine code of guests, which meson assembles from a .S file (its format: guest_code.inc).
#pragma once

#include <string_view>

/// GUEST_CODE(NAME) is the bytes between `begin NAME` and `end NAME` of the source.
/// DECLARE_GUEST_CODE(NAME), at global scope, declares them.
#define DECLARE_GUEST_CODE(name) extern "C" const char guest_##name[], guest_##name##_end[]
#define GUEST_CODE(name) \
  std::string_view(guest_##name, static_cast<size_t>(guest_##name##_end - guest_##name))
