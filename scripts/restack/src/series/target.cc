// SPDX-License-Identifier: GPL-2.0-or-later
// Which file of a tree a change means, as GNU patch decides it.
#include <algorithm>
#include <array>
#include <tuple>

#include "restack/apply.h"

namespace restack {
namespace {

using Kind = FileChange::Kind;

constexpr unsigned kLink = 0120000;

/// A name without ".", and without double slashes; nothing when it leads out of the folder or
/// has a zero byte, which no file's name has.
std::optional<std::string> Clean(const std::string& name) {
  if (name.starts_with('/') || name.find('\0') != std::string::npos) return std::nullopt;
  std::string path;
  for (size_t at = 0; at < name.size();) {
    size_t end = std::min(name.find('/', at), name.size());
    std::string_view part = std::string_view(name).substr(at, end - at);
    at = end + 1;
    if (part == "..") return std::nullopt;
    if (part.empty() || part == ".") continue;
    path += (path.empty() ? "" : "/") + std::string(part);
  }
  return path;
}

/// The path behind symbolic links among its folders. Error: one leads out of the tree or nowhere.
Result<std::string> FollowFolders(const std::string& path, const Tree& tree) {
  std::string done, rest = path;
  for (int links = 0; links < 40;) {
    size_t slash = rest.find('/');
    if (slash == std::string::npos) return done + rest;
    std::string folder = done + rest.substr(0, slash);
    Result<std::optional<TreeFile>> file = tree.Read(folder);
    if (!file) return file.error();
    if (!*file) {
      done = folder + "/";
      rest.erase(0, slash + 1);
      continue;
    }
    if ((*file)->mode != kLink) return Error{folder + " is a file, not a folder"};
    ++links;
    std::string to = (*file)->text.bytes() + "/" + rest.substr(slash + 1);
    if (to.starts_with('/'))
      return Error{folder + " is a symbolic link that leads out of the tree"};
    // Relative to the link's own folder.
    std::vector<std::string> parts;
    std::string all = done + to;
    for (size_t at = 0; at <= all.size();) {
      size_t end = std::min(all.find('/', at), all.size());
      std::string part = all.substr(at, end - at);
      at = end + 1;
      if (part.empty() || part == ".") continue;
      if (part == "..") {
        if (parts.empty()) return Error{folder + " is a symbolic link that leads out of the tree"};
        parts.pop_back();
      } else {
        parts.push_back(std::move(part));
      }
    }
    done.clear();
    rest.clear();
    for (const std::string& part : parts) rest += (rest.empty() ? "" : "/") + part;
  }
  return Error{path + ": too many symbolic links"};
}

size_t Components(const std::string& name) {
  size_t count = 0;
  for (size_t at = 1; at < name.size(); ++at) count += name[at] == '/' && name[at - 1] != '/';
  return count;
}

/// Folders in front of the name that the tree has, from the top.
size_t KnownFolders(const std::string& name, const Tree& tree) {
  size_t count = 0;
  for (size_t at = 1; at < name.size(); ++at) {
    if (name[at] != '/' || name[at - 1] == '/') continue;
    if (!tree.HasFolder(name.substr(0, at))) break;
    ++count;
  }
  return count;
}

struct Name {
  std::string written, path;
  bool given = false, safe = false, exists = false, dev_null = false;
};

constexpr size_t kNone = 3;

/// GNU patch's best_name: the fewest folders, then the shortest last part, then the shortest.
size_t Best(const std::array<Name, 3>& names, const std::array<bool, 3>& among) {
  auto rank = [&](size_t i) {
    const std::string& name = names[i].written;
    return std::tuple(Components(name), BaseName(name).size(), name.size());
  };
  size_t best = kNone;
  for (size_t i = 0; i < 3; ++i)
    if (among[i] && names[i].given && (best == kNone || rank(i) < rank(best))) best = i;
  if (best == kNone || names[best].safe) return best;
  for (size_t i = best + 1; i < 3; ++i)
    if (among[i] && names[i].given && names[i].safe && rank(i) == rank(best)) return i;
  return kNone;
}

/// What of a side's header lines counts: the last name that can be stripped.
Name StrippedName(const FileChange& file, size_t side, int strip) {
  Name name;
  for (const HeaderName& header : file.names[side]) {
    if (header.name == "/dev/null") continue;  // leaves an earlier name as it is
    std::string stripped = StripName(header.name, strip);
    if (stripped.empty()) continue;
    if (header.pair) {
      // Of `diff --git`: both names or none.
      const auto& other = file.names[1 - side];
      auto at =
          std::find_if(other.begin(), other.end(), [](const HeaderName& of) { return of.pair; });
      if (at == other.end() || StripName(at->name, strip).empty()) continue;
    }
    name.written = std::move(stripped);
    name.given = true;
  }
  return name;
}

}  // namespace

Result<Target> FindTarget(const FileChange& file, int strip, const Tree& tree) {
  std::array<Name, 3> names;
  Target target;
  target.kind = file.kind;
  std::string unsafe;
  for (size_t i = 0; i < 3; ++i) names[i] = StrippedName(file, i, strip);
  if (names[0].given || names[1].given) names[2].given = false;
  for (Name& name : names) {
    if (!name.given) continue;
    std::optional<std::string> clean = Clean(name.written);
    if (!clean || clean->empty()) {
      bool zero = name.written.find('\0') != std::string::npos;
      unsafe = "the name " + name.written.substr(0, name.written.find('\0')) +
               (zero ? "... has a zero byte" : " leads out of the tree");
      continue;
    }
    Result<std::string> path = FollowFolders(*clean, tree);
    if (!path) {
      unsafe = name.written + ": " + path.error().message;
      continue;
    }
    name.path = std::move(*path);
    name.safe = true;
    Result<std::optional<TreeFile>> there = tree.Read(name.path);
    if (!there) return there.error();
    name.exists = there->has_value();
  }
  bool moves = file.kind == Kind::kRename || file.kind == Kind::kCopy;
  if (moves) {
    if (!names[0].given || !names[1].given || !names[0].safe || !names[1].safe) {
      if (!unsafe.empty()) return Error{unsafe};
      target.reason = "a rename or copy needs two names, and the headers do not give both";
      return target;
    }
    target.from = names[0].path;
    target.to = names[1].path;
    target.found = names[0].exists || names[1].exists;
    target.reason = target.from + " is not in the tree";
    if (names[0].exists || !names[1].exists) return target;
    target.kind = Kind::kModify;  // it has the new name already
    target.from = target.to;
    return target;
  }
  size_t best = Best(names, {names[0].exists, names[1].exists, names[2].exists});
  if (best == kNone && file.says_nothing_old > 0) {
    std::array<size_t, 3> missing{};
    size_t least = std::string::npos;
    for (size_t i = 0; i < 3; ++i) {
      if (!names[i].given) continue;
      missing[i] = Components(names[i].written) - KnownFolders(names[i].written, tree);
      least = std::min(least, missing[i]);
    }
    best = Best(names, {missing[0] == least, missing[1] == least, missing[2] == least});
  }
  if (best == kNone) {
    if (!unsafe.empty()) return Error{unsafe};
    std::string list;
    for (const Name& name : names)
      if (name.given && list.find(name.written) == std::string::npos)
        list += (list.empty() ? "" : " and ") + name.written;
    target.from = target.to = file.OldPath(strip);
    for (const Name& name : names)
      if (name.given && name.safe) target.from = target.to = name.path;
    target.reason = list.empty() ? "no name in its header has " + std::to_string(strip) +
                                       " folders that -p" + std::to_string(strip) + " could strip"
                                 : list + " is not in the tree";
    return target;
  }
  target.from = target.to = names[best].path;
  target.found = true;
  if (!names[best].exists)
    target.kind = Kind::kCreate;
  else
    target.kind = file.says_nothing_new == 2 ? Kind::kDelete : Kind::kModify;
  return target;
}

}  // namespace restack
