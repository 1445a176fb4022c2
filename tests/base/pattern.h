// SPDX-License-Identifier: GPL-2.0-or-later
// Data to write somewhere and to recognize later.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace stx {

/// `size` bytes without repetition; the same `seed` gives the same bytes.
inline std::string MakePattern(size_t size, uint64_t seed) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) {
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    byte = static_cast<char>(seed >> 56);
  }
  return bytes;
}

}  // namespace stx
