// SPDX-License-Identifier: GPL-2.0-or-later
#include <filesystem>
#include <set>

#include "restack/folder.h"
#include "restack/semantic.h"

namespace restack {

namespace fs = std::filesystem;

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
    if (!*wanted) {
      fs::remove(file, error);
      continue;
    }
    if (fs::exists(file, error)) {
      Result<std::string> now = ReadFile(file);
      if (now && *now == (*wanted)->text.bytes()) continue;
    }
    if (auto done = WriteFile(file, (*wanted)->text.bytes()); !done) return done;
    if ((*wanted)->mode & 0100)
      fs::permissions(file, fs::perms::owner_exec | fs::perms::group_exec | fs::perms::others_exec,
                      fs::perm_options::add, error);
  }
  text.clear();
  for (const auto& [path, file] : landed.changes()) text += path + "\n";
  return WriteFile(list, text);
}

}  // namespace restack
