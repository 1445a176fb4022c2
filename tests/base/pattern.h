// SPDX-License-Identifier: GPL-2.0-or-later
// Bytes to write somewhere and find again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace stx {

/// `size` bytes of which no two stretches are alike; the same for the same `seed`.
inline std::string MakePattern(size_t size, uint64_t seed) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) {
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    byte = static_cast<char>(seed >> 56);
  }
  return bytes;
}

}  // namespace stx
