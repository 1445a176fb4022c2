// SPDX-License-Identifier: GPL-2.0-or-later
// libgit2's objects with an owner, and its last error as a message.
#pragma once

#include <git2.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

#include "restack/result.h"

namespace restack {

/// libgit2 counts its users; the first sets it up. Also takes off what we do not need: each object
/// that is read would be hashed again.
struct GitLibrary {
  GitLibrary() {
    if (git_libgit2_init() == 1) git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 0);
  }
  ~GitLibrary() { git_libgit2_shutdown(); }
  GitLibrary(const GitLibrary&) = delete;
  GitLibrary& operator=(const GitLibrary&) = delete;
};

template <class T, void (*Free)(T*)>
struct GitFree {
  void operator()(T* object) const { Free(object); }
};
template <class T, void (*Free)(T*)>
using GitOwner = std::unique_ptr<T, GitFree<T, Free>>;

using GitRepository = GitOwner<git_repository, git_repository_free>;
using GitOdb = GitOwner<git_odb, git_odb_free>;
using GitOdbObject = GitOwner<git_odb_object, git_odb_object_free>;
using GitTreeOwner = GitOwner<git_tree, git_tree_free>;
using GitBlobOwner = GitOwner<git_blob, git_blob_free>;
using GitCommit = GitOwner<git_commit, git_commit_free>;
using GitReference = GitOwner<git_reference, git_reference_free>;
using GitObject = GitOwner<git_object, git_object_free>;
using GitIndex = GitOwner<git_index, git_index_free>;
using GitWalk = GitOwner<git_revwalk, git_revwalk_free>;
using GitSignature = GitOwner<git_signature, git_signature_free>;

/// libgit2's last error. On a full disk, that may be one of looking for an object before.
inline Error GitError(const std::string& what) {
  const int code = errno;
  const git_error* error = git_error_last();
  if (code == ENOSPC || code == EDQUOT) return Error{what + ": " + std::strerror(code)};
  return Error{what + ": " +
               (error && error->message ? error->message : "libgit2 does not say why")};
}

/// The same of an object that cannot be written into the repository.
inline Error NotWritten(git_repository* repository) {
  constexpr unsigned long kLeast = 64 << 10;
  std::string where = git_repository_path(repository);
  while (where.ends_with('/')) where.pop_back();
  struct statvfs disk {};
  if (statvfs(where.c_str(), &disk) == 0 && disk.f_bavail * disk.f_frsize < kLeast) errno = ENOSPC;
  return GitError(where + ": cannot be written");
}

}  // namespace restack
