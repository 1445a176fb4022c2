// SPDX-License-Identifier: GPL-2.0-or-later
// What StarlingX's builder does with a package's folder: the steps of build-tools/stx/debrepack.py
// (repository root), by which it makes a source package. Stricter in one thing: no patch may need
// fuzz.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace stx {

/// Makes the source package of `folder`, which has meta_data.yaml, for the release of its name.
/// `mirror` has the files that meta_data.yaml would have downloaded, by their names. Works in the
/// new folder `work`, and returns the tree that the source package was made from; the package is
/// beside it. Throws when a file is not as its sum says, or a step fails.
std::filesystem::path BuildSource(const std::filesystem::path& folder,
                                  const std::filesystem::path& mirror,
                                  const std::filesystem::path& work);

/// Builds the binary packages of the only source package in `work`, in the new folder `work`/build,
/// inside the system $SYSTEM, which has the Build-Depends, and without a network. Returns
/// the names of the files, without those of debugging symbols. Throws with the end of the log.
std::vector<std::string> BuildPackages(const std::filesystem::path& work);

}  // namespace stx
