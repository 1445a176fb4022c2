// SPDX-License-Identifier: GPL-2.0-or-later
// Machine code of guests that meson has assembled from a .S file (its form: guest_code.inc).
#pragma once

#include <string_view>

/// The bytes between `begin NAME` and `end NAME` of the source; DECLARE_GUEST_CODE(NAME) at global
/// scope makes them known.
#define DECLARE_GUEST_CODE(name) extern "C" const char guest_##name[], guest_##name##_end[]
#define GUEST_CODE(name) \
  std::string_view(guest_##name, static_cast<size_t>(guest_##name##_end - guest_##name))
