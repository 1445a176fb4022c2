// SPDX-License-Identifier: GPL-2.0-or-later
// An upstream release of Kata Containers (kata-static-VERSION-x86_64.tar.xz) and the parts of it
// that a package contains.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace stx {

/// One [[file]] of debian/kata/release.toml. Both paths have no leading slash.
struct Selection {
  std::string from;  ///< in the tarball; may be a symbolic link
  std::string to;    ///< in the package
};

/// Reads the [[file]] tables of `manifest`. Throws a message with file and key.
std::vector<Selection> ReadSelections(const std::filesystem::path& manifest);

/// Copies the members in `selections` from `tarball` to `root`. If a selected member is a link, its
/// target (in the same folder of the tarball) is copied as well, and `to` becomes a link to it in
/// the same folder. Throws a message with the tarball, and with the member if it does not exist, is
/// not a regular file, or is a dangling link; also throws for a truncated or damaged tarball.
void Extract(const std::filesystem::path& tarball, const std::vector<Selection>& selections,
             const std::filesystem::path& root);

/// Every absolute path among the strings of the TOML file `configuration` that has to be a file of
/// ours, i.e. below /usr, /etc or /opt, where the release has its own files. Throws a message with
/// the line if the file is not valid TOML.
std::vector<std::string> FindConfiguredPaths(const std::filesystem::path& configuration);

}  // namespace stx
