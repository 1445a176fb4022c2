// SPDX-License-Identifier: GPL-2.0-or-later
// Bytes packed for a cache: quickly rather than small.
#pragma once

#include <string>
#include <string_view>

#include "restack/result.h"

namespace restack {

/// zstd where libarchive has it, else gzip, at their fastest.
Result<std::string> PackBlock(std::string_view bytes);
/// `size` is that of the unpacked bytes.
Result<std::string> UnpackBlock(std::string_view packed, size_t size);

}  // namespace restack
