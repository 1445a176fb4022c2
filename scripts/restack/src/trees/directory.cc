// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "restack/tree.h"

namespace restack {
namespace {

namespace fs = std::filesystem;

class DirectoryTree : public Tree {
 public:
  explicit DirectoryTree(fs::path folder) : folder_(std::move(folder)) {}

  Result<std::optional<TreeFile>> Read(const std::string& path) const override {
    fs::path file = folder_ / path;
    std::error_code error;
    // What is behind a symbolic link is not a part of this tree under that name.
    for (size_t at = path.find('/'); at != std::string::npos; at = path.find('/', at + 1))
      if (fs::is_symlink(fs::symlink_status(folder_ / path.substr(0, at), error)))
        return std::optional<TreeFile>();
    fs::file_status status = fs::symlink_status(file, error);
    if (!fs::exists(status)) return std::optional<TreeFile>();
    TreeFile result;
    if (fs::is_symlink(status)) {
      result.mode = 0120000;
      result.text = Text(fs::read_symlink(file, error).string());
      return std::optional(std::move(result));
    }
    if (!fs::is_regular_file(status)) return std::optional<TreeFile>();
    std::ifstream in(file, std::ios::binary);
    std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    if (!in) return Error{file.string() + ": cannot be read"};
    result.text = Text(std::move(bytes));
    if ((status.permissions() & fs::perms::owner_exec) != fs::perms::none) result.mode = 0100755;
    return std::optional(std::move(result));
  }

  bool HasFolder(const std::string& path) const override {
    std::error_code error;
    return fs::is_directory(folder_ / path, error);
  }

  const std::vector<std::string>& Paths() const override {
    if (listed_) return paths_;
    listed_ = true;
    std::error_code error;
    for (auto at = fs::recursive_directory_iterator(folder_, error); !error && at != fs::end(at);
         at.increment(error)) {
      std::string name = at->path().filename().string();
      if (at->is_directory(error) && (name == ".git" || StartsWith(name, ".pc"))) {
        at.disable_recursion_pending();
        continue;
      }
      if (at->is_symlink(error) || at->is_regular_file(error))
        paths_.push_back(at->path().lexically_relative(folder_).generic_string());
    }
    std::sort(paths_.begin(), paths_.end());
    return paths_;
  }

  std::string Name() const override { return folder_.string(); }

 private:
  fs::path folder_;
  mutable std::vector<std::string> paths_;
  mutable bool listed_ = false;
};

}  // namespace

Result<std::shared_ptr<Tree>> OpenDirectory(const std::string& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) return Error{folder + ": is not a folder"};
  return std::shared_ptr<Tree>(std::make_shared<DirectoryTree>(folder));
}

}  // namespace restack
