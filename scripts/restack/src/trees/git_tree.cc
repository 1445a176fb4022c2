// SPDX-License-Identifier: GPL-2.0-or-later
#include "git_tree.h"

#include <algorithm>

#include "restack/store.h"

namespace restack {
namespace {

class GitTree : public Tree {
 public:
  GitTree(std::shared_ptr<git_repository> repository, const git_oid& tree, std::string name,
          const git_oid* functions)
      : repository_(std::move(repository)),
        id_(tree),
        name_(std::move(name)),
        has_functions_(functions != nullptr) {
    if (functions) functions_id_ = *functions;
    git_tree* raw = nullptr;
    git_tree_lookup(&raw, repository_.get(), &id_);
    root_.reset(raw);
  }

  Result<std::optional<TreeFile>> Read(const std::string& path) const override {
    if (!root_) return GitError(name_);
    git_tree_entry* raw = nullptr;
    if (path.empty() || git_tree_entry_bypath(&raw, root_.get(), path.c_str()) != 0)
      return std::optional<TreeFile>();
    GitOwner<git_tree_entry, git_tree_entry_free> entry(raw);
    if (git_tree_entry_type(entry.get()) != GIT_OBJECT_BLOB) return std::optional<TreeFile>();
    Result<std::string> bytes = ReadBlob(repository_.get(), *git_tree_entry_id(entry.get()));
    if (!bytes)
      return Error{name_ + ": " + path + ": its content is not kept (a binary or very large file)"};
    return std::optional(
        TreeFile{Text(std::move(*bytes)), git_tree_entry_filemode_raw(entry.get())});
  }

  const std::vector<std::string>& Paths() const override {
    if (listed_ || !root_) return paths_;
    listed_ = true;
    git_tree_walk(
        root_.get(), GIT_TREEWALK_PRE,
        [](const char* folder, const git_tree_entry* entry, void* out) {
          if (git_tree_entry_type(entry) == GIT_OBJECT_BLOB)
            static_cast<std::vector<std::string>*>(out)->push_back(std::string(folder) +
                                                                   git_tree_entry_name(entry));
          return 0;
        },
        &paths_);
    // git sorts a folder as if its name ended with a slash.
    std::sort(paths_.begin(), paths_.end());
    return paths_;
  }

  /// Without the list of all files: most questions are about files that are there.
  bool Has(const std::string& path) const override {
    if (listed_) return Tree::Has(path);
    git_tree_entry* raw = nullptr;
    if (!root_ || path.empty() || git_tree_entry_bypath(&raw, root_.get(), path.c_str()) != 0)
      return false;
    GitOwner<git_tree_entry, git_tree_entry_free> entry(raw);
    return git_tree_entry_type(entry.get()) == GIT_OBJECT_BLOB;
  }

  bool HasFolder(const std::string& path) const override {
    git_tree_entry* raw = nullptr;
    if (!root_ || path.empty() || git_tree_entry_bypath(&raw, root_.get(), path.c_str()) != 0)
      return false;
    GitOwner<git_tree_entry, git_tree_entry_free> entry(raw);
    return git_tree_entry_type(entry.get()) == GIT_OBJECT_TREE;
  }

  std::string Name() const override { return name_; }

  std::vector<std::string> FilesDefining(const std::string& function) const override {
    std::vector<std::string> files;
    if (!has_functions_) return files;
    if (functions_.size() == 0)
      if (Result<std::string> bytes = ReadBlob(repository_.get(), functions_id_); bytes)
        functions_ = Text(std::move(*bytes));
    std::string key = function + "\t";
    const Lines& lines = functions_.lines();
    for (auto at = std::lower_bound(lines.begin(), lines.end(), key);
         at != lines.end() && StartsWith(*at, key); ++at)
      files.emplace_back(at->substr(key.size(), at->size() - key.size() - 1));
    return files;
  }

 private:
  GitLibrary library_;
  std::shared_ptr<git_repository> repository_;
  git_oid id_, functions_id_{};
  GitTreeOwner root_;
  std::string name_;
  bool has_functions_;
  mutable Text functions_;  ///< sorted lines "name\tpath"
  mutable std::vector<std::string> paths_;
  mutable bool listed_ = false;
};

}  // namespace

Result<GitEntries> ListTree(git_repository* repository, const git_oid& id) {
  git_tree* raw = nullptr;
  if (git_tree_lookup(&raw, repository, &id) != 0) return GitError("a tree cannot be read");
  GitTreeOwner tree(raw);
  GitEntries entries;
  git_tree_walk(
      tree.get(), GIT_TREEWALK_PRE,
      [](const char* folder, const git_tree_entry* entry, void* out) {
        if (git_tree_entry_type(entry) == GIT_OBJECT_BLOB)
          (*static_cast<GitEntries*>(out))[std::string(folder) + git_tree_entry_name(entry)] = {
              *git_tree_entry_id(entry), git_tree_entry_filemode_raw(entry)};
        return 0;
      },
      &entries);
  return entries;
}

namespace {
/// The entries [at, end) whose paths begin with `prefix`, as one tree.
Result<git_oid> WriteFolder(git_repository* repository, GitEntries::const_iterator& at,
                            GitEntries::const_iterator end, const std::string& prefix) {
  git_treebuilder* raw = nullptr;
  if (git_treebuilder_new(&raw, repository, nullptr) != 0)
    return GitError("a tree cannot be written");
  GitOwner<git_treebuilder, git_treebuilder_free> builder(raw);
  while (at != end && StartsWith(at->first, prefix)) {
    std::string rest = at->first.substr(prefix.size());
    size_t slash = rest.find('/');
    int status;
    if (slash == std::string::npos) {
      status = git_treebuilder_insert(nullptr, builder.get(), rest.c_str(), &at->second.id,
                                      static_cast<git_filemode_t>(at->second.mode));
      ++at;
    } else {
      std::string folder = rest.substr(0, slash);
      Result<git_oid> id = WriteFolder(repository, at, end, prefix + folder + "/");
      if (!id) return id;
      status =
          git_treebuilder_insert(nullptr, builder.get(), folder.c_str(), &*id, GIT_FILEMODE_TREE);
    }
    if (status != 0) return GitError(prefix + rest);
  }
  git_oid id;
  if (git_treebuilder_write(&id, builder.get()) != 0) return NotWritten(repository);
  return id;
}
}  // namespace

Result<git_oid> WriteTree(git_repository* repository, const GitEntries& entries) {
  auto at = entries.begin();
  return WriteFolder(repository, at, entries.end(), "");
}

Result<git_oid> WriteBlob(git_repository* repository, std::string_view bytes) {
  git_oid id;
  if (git_blob_create_from_buffer(&id, repository, bytes.data(), bytes.size()) != 0)
    return NotWritten(repository);
  return id;
}

Result<std::string> ReadBlob(git_repository* repository, const git_oid& id) {
  git_blob* raw = nullptr;
  if (git_blob_lookup(&raw, repository, &id) != 0) return GitError("a file cannot be read");
  GitBlobOwner blob(raw);
  return std::string(static_cast<const char*>(git_blob_rawcontent(blob.get())),
                     static_cast<size_t>(git_blob_rawsize(blob.get())));
}

std::shared_ptr<Tree> MakeGitTree(std::shared_ptr<git_repository> repository, const git_oid& tree,
                                  std::string name, const git_oid* functions) {
  return std::make_shared<GitTree>(std::move(repository), tree, std::move(name), functions);
}

Result<std::shared_ptr<Tree>> OpenGitTree(const std::string& path, const std::string& revision) {
  static GitLibrary library;
  git_repository* raw = nullptr;
  if (git_repository_open(&raw, path.c_str()) != 0) return GitError(path);
  std::shared_ptr<git_repository> repository(raw, git_repository_free);
  git_object* object = nullptr;
  if (git_revparse_single(&object, raw, revision.c_str()) != 0)
    return GitError(path + ": " + revision);
  GitObject owner(object);
  git_object* tree = nullptr;
  if (git_object_peel(&tree, object, GIT_OBJECT_TREE) != 0) return GitError(path + ": " + revision);
  GitObject tree_owner(tree);
  return MakeGitTree(repository, *git_object_id(tree), path + ":" + revision);
}

}  // namespace restack
