// SPDX-License-Identifier: GPL-2.0-or-later
// A source package as one git tree object: what the store keeps of it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "git_tree.h"
#include "restack/progress.h"
#include "restack/store.h"

namespace restack {

/// The entries of a package's object.
namespace package_part {
constexpr const char* kOrig = "orig";                     ///< a tree: what upstream released
constexpr const char* kPatched = "patched";               ///< a tree: with Debian's patches
constexpr const char* kDebian = "debian";                 ///< a tree: debian/patches
constexpr const char* kOrigFunctions = "orig-functions";  ///< the index of functions of kOrig
constexpr const char* kFunctions = "functions";           ///< the index of functions of kPatched
}  // namespace package_part

class PackageReader {
 public:
  PackageReader(std::shared_ptr<git_repository> repository, const SourcePackage& package,
                Progress progress)
      : repository_(std::move(repository)), package_(package), progress_(std::move(progress)) {}

  /// Reads the tarballs and applies Debian's series. Error: names the file or patch that cannot be
  /// read, or the file that cannot be written.
  Result<git_oid> Read();
  /// The same with the series up to the patch `until`; `whole` is what Read() gave.
  Result<git_oid> ReadUntil(const git_oid& whole, const std::string& until);

 private:
  using Functions = std::vector<std::string>;  ///< sorted lines "name\tpath\n"

  Result<void> Unpack(GitEntries& entries, Functions& functions);
  Result<std::shared_ptr<MemoryTree>> DebianSeries(const git_oid& orig);
  Result<void> ApplySeries(const Tree& debian, const std::string& until, const git_oid& orig,
                           GitEntries& entries, Functions& functions);
  Result<git_oid> Finish(const std::string& until, GitEntries parts, GitEntries entries,
                         Functions functions);
  Result<git_oid> WriteFunctions(const Functions& functions);

  std::shared_ptr<git_repository> repository_;
  const SourcePackage& package_;
  Progress progress_;
};

/// A name as a part of a reference's or a file's name.
std::string EncodedName(const std::string& text);
/// The object's entry of that name; no value when it has none.
Result<std::optional<git_oid>> PackagePart(git_repository* repository, const git_oid& object,
                                           const char* name);

}  // namespace restack
