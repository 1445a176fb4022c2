// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <set>

#include "restack/folder.h"
#include "restack/semantic.h"

namespace restack {

namespace fs = std::filesystem;

namespace {

/// Why a path of a patch is not written below a folder, "" when it may be.
std::string Unsafe(const std::string& tree, const std::string& path) {
  std::string folder = tree;
  for (size_t at = 0; at <= path.size();) {
    size_t end = std::min(path.find('/', at), path.size());
    std::string part = path.substr(at, end - at);
    at = end + 1;
    std::string lower = part;
    for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (part.empty() || part == "." || part == ".." || path.find('\n') != std::string::npos)
      return "leads out of the tree";
    if (lower == ".git") return "is git's own, which no patch writes";
    folder += "/" + part;
    std::error_code error;
    if (end < path.size() && fs::is_symlink(fs::symlink_status(folder, error)))
      return "lies behind the symbolic link " + folder;
  }
  return {};
}

/// Makes `file` what is wanted. Leaves it alone when it is so already: a build notices.
Result<void> Put(const std::string& file, const TreeFile& wanted) {
  std::error_code error;
  fs::file_status now = fs::symlink_status(file, error);
  const std::string& bytes = wanted.text.bytes();
  if (wanted.mode == 0120000) {
    if (fs::is_symlink(now) && fs::read_symlink(file, error) == bytes) return {};
    fs::create_directories(fs::path(file).parent_path(), error);
    std::string partial = file + ".new";
    fs::remove(partial, error);
    fs::create_symlink(bytes, partial, error);
    if (!error) fs::rename(partial, file, error);
    if (error) return Error{file + ": cannot be written: " + error.message()};
    return {};
  }
  bool same = false;
  if (fs::is_regular_file(now)) {
    Result<std::string> there = ReadFile(file);
    same = there && *there == bytes;
  }
  if (!same)
    if (auto done = WriteFile(file, bytes); !done) return done;
  constexpr fs::perms kExec =
      fs::perms::owner_exec | fs::perms::group_exec | fs::perms::others_exec;
  bool runs = (fs::status(file, error).permissions() & fs::perms::owner_exec) != fs::perms::none;
  if (runs != ((wanted.mode & 0100) != 0))
    fs::permissions(file, kExec, runs ? fs::perm_options::remove : fs::perm_options::add, error);
  return {};
}

}  // namespace

Result<void> WriteLanded(const std::string& tree, const Tree& target, const MemoryTree& landed) {
  std::string list = tree + "/.restack";
  std::set<std::string> paths;
  std::error_code error;
  if (fs::exists(list, error)) {
    Result<std::string> bytes = ReadFile(list);
    if (!bytes) return bytes.error();
    for (std::string_view line : SplitLines(*bytes)) paths.insert(std::string(Trim(line)));
  }
  for (const auto& [path, file] : landed.changes()) paths.insert(path);
  for (const std::string& path : paths)
    if (std::string why = Unsafe(tree, path); !why.empty())
      return Error{path + " " + why + "; nothing was written"};
  // First what may be written, so that a killed run is put back by the next.
  std::string text;
  for (const std::string& path : paths) text += path + "\n";
  if (auto done = WriteFile(list, text); !done) return done;
  for (const std::string& path : paths) {
    auto at = landed.changes().find(path);
    Result<std::optional<TreeFile>> wanted =
        at != landed.changes().end() ? at->second : target.Read(path);
    if (!wanted) return wanted.error();
    std::string file = tree + "/" + path;
    if (!*wanted)
      fs::remove(file, error);
    else if (auto done = Put(file, **wanted); !done)
      return done;
  }
  text.clear();
  for (const auto& [path, file] : landed.changes()) text += path + "\n";
  return WriteFile(list, text);
}

}  // namespace restack
