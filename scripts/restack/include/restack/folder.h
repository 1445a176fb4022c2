// SPDX-License-Identifier: GPL-2.0-or-later
/// Reads and writes series and files on disk.
#pragma once

#include <string>

#include "restack/result.h"
#include "restack/series.h"

namespace restack {

Result<std::string> ReadFile(const std::string& file);
/// Writes the file under another name and renames it, so that no reader sees half of it.
Result<void> WriteFile(const std::string& file, std::string_view bytes);

/// Writes FOLDER/PATH. Error: the path leads out of the folder, or through a symbolic link in it.
Result<void> WriteBelow(const std::string& folder, const std::string& path,
                        std::string_view bytes);

/// Parses a patch file, decompressed if its name has the ending of a compressed file.
Result<Patch> ReadPatch(const Bytes& bytes, const std::string& name);
/// Reads FOLDER/series and its patches. Error: names the file and line that cannot be read.
Result<Series> ReadSeries(const std::string& folder);
/// The same from a tree ("series" at its top), such as debian/patches of a package.
class Tree;
Result<Series> ReadSeries(const Tree& tree);

}  // namespace restack
