// SPDX-License-Identifier: GPL-2.0-or-later
// Precompiled, because reading these headers and instantiating JSON takes a third of the time of
// compiling a test. Sources nevertheless include what they use. Assembler sources read this too.
#if defined(__cplusplus) && !defined(STX_PRECOMPILED_H)
#define STX_PRECOMPILED_H

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

extern template class nlohmann::basic_json<>;  // precompiled.cc instantiates it
#endif
