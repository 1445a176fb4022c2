// SPDX-License-Identifier: GPL-2.0-or-later
// An upstream release of Kata Containers (kata-static-VERSION-x86_64.tar.xz) and what a package
// takes of it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace stx {

/// One [[file]] of debian/kata/release.toml; both paths without a leading slash.
struct Selection {
  std::string from;  ///< in the tarball; may be a symbolic link
  std::string to;    ///< in the package
};

/// Reads [[file]] of `manifest`. Throws a message that names file and key.
std::vector<Selection> ReadSelections(const std::filesystem::path& manifest);

/// Copies what `selections` name out of `tarball` to below `root`. A selected link comes with what
/// it leads to (in the same folder of the tarball): `to` is then a link to that, beside it. Throws
/// a message that names the tarball, and the member: one that is not there, is not a regular file, or
/// leads nowhere; a tarball that ends too early or is damaged.
void Extract(const std::filesystem::path& tarball, const std::vector<Selection>& selections,
             const std::filesystem::path& root);

/// Every absolute path among the strings of the TOML file `configuration` that is to be a file of
/// ours: below /usr, /etc or /opt, where the release has its own. Throws a message with the line
/// when it is no TOML.
std::vector<std::string> ConfiguredPaths(const std::filesystem::path& configuration);

}  // namespace stx
