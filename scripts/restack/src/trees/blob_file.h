// SPDX-License-Identifier: GPL-2.0-or-later
// The files of a source package as git blobs in one compressed file, REPOSITORY/blobs/NAME. To
// write a hundred thousand loose objects takes minutes, and git's own packs compress more slowly
// than a tarball of this size is read.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "git_library.h"
#include "restack/result.h"

namespace restack {

/// Writes one such file. Nothing of it can be read before Finish().
class BlobFileWriter {
 public:
  /// Blobs that another such file of the repository has are not written again.
  BlobFileWriter(git_repository* repository, const std::string& name);
  ~BlobFileWriter();
  BlobFileWriter(const BlobFileWriter&) = delete;
  BlobFileWriter& operator=(const BlobFileWriter&) = delete;

  Result<git_oid> Add(std::string_view bytes);
  /// Error: names the file and the reason; what was written is removed.
  Result<void> Finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Makes the blobs of all such files, also of those that are written later, readable as objects of
/// the repository.
Result<void> AddBlobFiles(git_repository* repository);

}  // namespace restack
