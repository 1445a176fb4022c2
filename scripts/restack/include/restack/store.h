// SPDX-License-Identifier: GPL-2.0-or-later
/// The source packages that restack knows, kept as trees in a bare git repository: made once from
/// the tarballs and Debian's patches, then read file by file. Everything in it can be deleted and
/// comes back.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "restack/progress.h"
#include "restack/result.h"
#include "restack/tree.h"

namespace restack {

/// A source package as it lies in a folder: a .dsc with its tarballs, or an orig tarball alone.
/// Formats 1.0, 3.0 (quilt) and 3.0 (native); see dpkg-source(1).
struct SourcePackage {
  std::string name, version;  ///< version without the epoch, as in file names
  std::string orig;           ///< path of the upstream tarball, or of a native package's only one
  std::vector<std::pair<std::string, std::string>>
      components;      ///< folder and path of each further upstream tarball
  std::string debian;  ///< path of debian.tar.*, "" without one
  std::string diff;    ///< path of format 1.0's diff.gz, "" without one

  /// Whether it is more than an upstream tarball.
  bool Patched() const { return !debian.empty() || !diff.empty(); }
};

/// The packages whose files lie in `folder`, sorted by name and version.
std::vector<SourcePackage> FindPackages(const std::string& folder);

/// Debian's order of version numbers (deb-version(7)): negative, 0, positive.
int CompareVersions(std::string_view a, std::string_view b);

/// A store and the trees that it gives, which keep it alive as far as they need it, are used by one
/// thread at a time. Several stores, in threads or processes, may share a repository.
class Store {
 public:
  /// `repository` is made when it is not there; `packages` is the folder of FindPackages.
  static Result<std::shared_ptr<Store>> Open(const std::string& repository,
                                             const std::string& packages, Progress progress = {});
  ~Store();

  const std::vector<SourcePackage>& packages() const;
  /// Reads those packages of the bases, as Find names them, that are not in the repository yet, as
  /// many at a time as there are processors. Find then finds them.
  Result<void> ReadAll(const std::vector<std::string>& bases);
  /// "NAME=VERSION" is the newest package of that name whose version begins so ("qemu=10.0");
  /// "/orig" behind it is the tarball without Debian's patches, "@PATCH" the tree after that patch
  /// of Debian's own series. Reads the package into the repository if it is not there yet. Error:
  /// none such, or it cannot be read.
  Result<std::shared_ptr<Tree>> Find(const std::string& base);
  /// Debian's own series of a package, as a folder of `series` and patches. What a diff.gz changes
  /// outside of debian/ is the first patch of it.
  Result<std::shared_ptr<Tree>> DebianPatches(const std::string& base);
  /// The content of a blob that any of the packages read so far has, by its (abbreviated) id.
  std::optional<Text> Blob(const std::string& id) const;

 private:
  struct Impl;
  explicit Store(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// A tree of a git repository: REVISION as git rev-parse reads it.
Result<std::shared_ptr<Tree>> OpenGitTree(const std::string& repository,
                                          const std::string& revision);

}  // namespace restack
