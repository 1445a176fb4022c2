// SPDX-License-Identifier: GPL-2.0-or-later
/// A source tree, wherever it is stored.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "restack/result.h"
#include "restack/text.h"

namespace restack {

struct TreeFile {
  Text text;
  unsigned mode = 0100644;  ///< as git has it: 0100644, 0100755 or 0120000 (a symbolic link, its
                            ///< text the target)
};

/// Paths are relative, with "/" between folders. Reading does not change what a tree says, but a
/// tree may keep what it has read: one thread at a time uses it. What Read returns is a value.
class Tree {
 public:
  virtual ~Tree() = default;
  /// Nothing when the tree has no such file. Error: it is there and cannot be read.
  virtual Result<std::optional<TreeFile>> Read(const std::string& path) const = 0;
  /// All files, sorted.
  virtual const std::vector<std::string>& Paths() const = 0;
  /// For messages: "qemu 10.0.13+ds-0+deb13u1", a folder, ...
  virtual std::string Name() const = 0;
  /// Files that define the C function or table of that name (at column 0, as QEMU writes them) or,
  /// .c files only, the macro; when the tree has an index of them.
  virtual std::vector<std::string> FilesDefining(const std::string& function) const;
  virtual bool Has(const std::string& path) const;
  /// Whether some file of the tree lies below that folder.
  virtual bool HasFolder(const std::string& path) const;
};

/// Files in memory, above another tree or alone. What was deleted hides the file below.
class MemoryTree : public Tree {
 public:
  explicit MemoryTree(std::shared_ptr<const Tree> below = nullptr, std::string name = "memory")
      : below_(std::move(below)), name_(std::move(name)) {}
  Result<std::optional<TreeFile>> Read(const std::string& path) const override;
  const std::vector<std::string>& Paths() const override;
  std::string Name() const override { return below_ ? below_->Name() : name_; }
  std::vector<std::string> FilesDefining(const std::string& function) const override;
  bool Has(const std::string& path) const override;
  bool HasFolder(const std::string& path) const override;

  void Write(const std::string& path, TreeFile file);
  void Delete(const std::string& path);
  /// What is in memory: no value is a deleted file.
  const std::map<std::string, std::optional<TreeFile>>& changes() const { return changes_; }

 private:
  std::shared_ptr<const Tree> below_;
  std::string name_;
  std::map<std::string, std::optional<TreeFile>> changes_;
  mutable std::vector<std::string> paths_;
  mutable bool listed_ = false;
};

/// A folder, read when asked. `.git`, `.pc` and quilt's other state is not part of it. Error: it is
/// not a folder.
Result<std::shared_ptr<Tree>> OpenDirectory(const std::string& folder);

/// A tarball of any compression that libarchive knows, read whole into memory at once, with its one
/// top folder stripped when all of it lies in one. Error: it cannot be read, or a name leads out.
Result<std::shared_ptr<MemoryTree>> ReadTarball(const std::string& file);
/// Each file of a tarball in turn, hard links last; a false from `visit` ends it with an error.
/// `progress`, which may be empty, hears how much of the tarball has been read, from 0 to 1.
using TarVisitor = bool (*)(void* context, std::string path, unsigned mode, std::string bytes);
Result<void> VisitTarball(const std::string& file, void* context, TarVisitor visit,
                          const std::function<void(double)>& progress = {});

/// git's name of a blob: 40 hexadecimal digits.
std::string BlobId(std::string_view bytes);

}  // namespace restack
