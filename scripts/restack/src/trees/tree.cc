// SPDX-License-Identifier: GPL-2.0-or-later
#include "restack/tree.h"

#include <git2.h>

#include <algorithm>

#include "git_library.h"

namespace restack {

std::vector<std::string> Tree::FilesDefining(const std::string&) const { return {}; }

bool Tree::Has(const std::string& path) const {
  const auto& paths = Paths();
  return std::binary_search(paths.begin(), paths.end(), path);
}

bool Tree::HasFolder(const std::string& path) const {
  std::string prefix = path + "/";
  const auto& paths = Paths();
  auto at = std::lower_bound(paths.begin(), paths.end(), prefix);
  return at != paths.end() && StartsWith(*at, prefix);
}

bool MemoryTree::Has(const std::string& path) const {
  if (auto at = changes_.find(path); at != changes_.end()) return at->second.has_value();
  return below_ && below_->Has(path);
}

bool MemoryTree::HasFolder(const std::string& path) const {
  std::string prefix = path + "/";
  bool deleted = false;
  for (auto at = changes_.lower_bound(prefix);
       at != changes_.end() && StartsWith(at->first, prefix); ++at) {
    if (at->second) return true;
    deleted = true;
  }
  if (!below_ || !below_->HasFolder(path)) return false;
  return !deleted || Tree::HasFolder(path);
}

Result<std::optional<TreeFile>> MemoryTree::Read(const std::string& path) const {
  if (auto at = changes_.find(path); at != changes_.end()) return at->second;
  if (below_) return below_->Read(path);
  return std::optional<TreeFile>();
}

const std::vector<std::string>& MemoryTree::Paths() const {
  if (listed_) return paths_;
  std::set<std::string> all;
  if (below_) all.insert(below_->Paths().begin(), below_->Paths().end());
  for (const auto& [path, file] : changes_) {
    if (file)
      all.insert(path);
    else
      all.erase(path);
  }
  paths_.assign(all.begin(), all.end());
  listed_ = true;
  return paths_;
}

std::vector<std::string> MemoryTree::FilesDefining(const std::string& function) const {
  return below_ ? below_->FilesDefining(function) : std::vector<std::string>();
}

void MemoryTree::Write(const std::string& path, TreeFile file) {
  changes_[path] = std::move(file);
  listed_ = false;
}

void MemoryTree::Delete(const std::string& path) {
  changes_[path] = std::nullopt;
  listed_ = false;
}

std::string BlobId(std::string_view bytes) {
  static GitLibrary library;
  git_oid id;
  git_odb_hash(&id, bytes.data(), bytes.size(), GIT_OBJECT_BLOB);
  char text[GIT_OID_HEXSZ + 1];
  return git_oid_tostr(text, sizeof text, &id);
}

}  // namespace restack
