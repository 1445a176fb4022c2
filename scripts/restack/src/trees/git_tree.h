// SPDX-License-Identifier: GPL-2.0-or-later
// A git tree object as a Tree, and writing one.
#pragma once

#include <map>
#include <string>

#include "git_library.h"
#include "restack/tree.h"

namespace restack {

struct GitEntry {
  git_oid id;
  unsigned mode;
};

/// Path to blob.
using GitEntries = std::map<std::string, GitEntry>;

Result<GitEntries> ListTree(git_repository* repository, const git_oid& tree);
/// Folders and all. The blobs must be there (or never be read).
Result<git_oid> WriteTree(git_repository* repository, const GitEntries& entries);
Result<git_oid> WriteBlob(git_repository* repository, std::string_view bytes);
Result<std::string> ReadBlob(git_repository* repository, const git_oid& id);

/// `functions` is an index: sorted lines "name\tpath", or null.
std::shared_ptr<Tree> MakeGitTree(std::shared_ptr<git_repository> repository, const git_oid& tree,
                                  std::string name, const git_oid* functions = nullptr);

}  // namespace restack
