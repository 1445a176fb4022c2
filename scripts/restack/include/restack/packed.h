// SPDX-License-Identifier: GPL-2.0-or-later
/// Patches that a series keeps packed: quilt reads NAME.gz, .bz2, .xz, .lzma and .lz.
#pragma once

#include <string>
#include <string_view>

#include "restack/result.h"

namespace restack {

/// The bytes of a patch file without the packing that its name tells of.
Result<std::string> Unpack(const std::string& name, std::string_view bytes);
/// The other way. The same bytes give the same result at any time.
Result<std::string> Pack(const std::string& name, std::string bytes);

}  // namespace restack
