// SPDX-License-Identifier: GPL-2.0-or-later
/// Compressed patches: quilt reads NAME.gz, .bz2, .xz, .lzma and .lz.
#pragma once

#include <string>
#include <string_view>

#include "restack/result.h"

namespace restack {

/// Whether the name has the ending of a compressed file.
bool IsPacked(const std::string& name);
/// Decompresses a patch file by the ending of its name.
Result<std::string> Unpack(const std::string& name, std::string_view bytes);
/// Compresses it again. The result depends on the bytes only, not on the time.
Result<std::string> Pack(const std::string& name, std::string bytes);

}  // namespace restack
