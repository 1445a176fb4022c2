// SPDX-License-Identifier: GPL-2.0-or-later
/// Series and trees as they lie on a disk.
#pragma once

#include <string>

#include "restack/result.h"
#include "restack/series.h"

namespace restack {

Result<std::string> ReadFile(const std::string& file);
/// Written under another name and renamed: nobody ever sees a half.
Result<void> WriteFile(const std::string& file, std::string_view bytes);

/// FOLDER/PATH. Error: the path leads out of the folder, or through a symbolic link in it.
Result<void> WriteBelow(const std::string& folder, const std::string& path,
                        std::string_view bytes);

/// A patch file, unpacked when its name says that it is packed.
Result<Patch> ReadPatch(const std::string& bytes, const std::string& name);
/// FOLDER/series and its patches. Error: names the file and line that cannot be read.
Result<Series> ReadSeries(const std::string& folder);
/// The same from a tree ("series" at its top), such as debian/patches of a package.
class Tree;
Result<Series> ReadSeries(const Tree& tree);

}  // namespace restack
