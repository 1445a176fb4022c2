// SPDX-License-Identifier: GPL-2.0-or-later
// What callgrind has counted: the file that it writes (Valgrind manual, "Callgrind Format
// Specification"), with instructions as its only event.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace stx {

struct CallgrindFunction {
  std::string name;
  uint64_t self = 0;  ///< instructions in the function itself
  /// With all that it has called. Of a function that calls itself, directly or not, the cost of the
  /// inner calls is counted with each of them, so it may exceed the total.
  uint64_t inclusive = 0;
};

struct CallgrindProfile {
  uint64_t total = 0;
  std::vector<CallgrindFunction> functions;  ///< the largest inclusive cost first
};

/// Throws std::runtime_error naming the line for text that is not such a file, and for one without
/// its total: callgrind was killed.
CallgrindProfile ParseCallgrind(std::string_view text);

}  // namespace stx
