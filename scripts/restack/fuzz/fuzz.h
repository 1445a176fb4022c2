// SPDX-License-Identifier: GPL-2.0-or-later
// What the fuzzers and their replay share.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

/// Judges one input; an input that must not be is a crash. libFuzzer and replay.cc call it.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace restack::fuzz {

inline std::string_view Bytes(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// Ends the process, as a crash does, when what must hold does not.
inline void Must(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

}  // namespace restack::fuzz
