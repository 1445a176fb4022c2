// SPDX-License-Identifier: GPL-2.0-or-later
// Reads structures from a file that is in memory.
#pragma once

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>

namespace stx {

/// The T (plain data, host byte order) at `offset` of `bytes`. Throws "WHAT is cut short" if it
/// extends past the end.
template <typename T>
T LoadAt(std::string_view bytes, uint64_t offset, const char* what) {
  if (offset > bytes.size() || sizeof(T) > bytes.size() - offset)
    throw std::runtime_error(std::string(what) + " is cut short");
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

}  // namespace stx
