// SPDX-License-Identifier: GPL-2.0-or-later
#include "restack/apply.h"

#include <algorithm>
#include <set>

namespace restack {
namespace {

using Kind = FileChange::Kind;

constexpr unsigned kTypeBits = 0170000, kRegular = 0100000, kLink = 0120000;

/// One hunk as GNU patch's locate_hunk sees it. Lines are counted from 1.
struct Pattern {
  std::vector<std::string_view> old;
  long first = 0;                   ///< where its numbers point
  long prefix = 0, suffix = 0;      ///< context lines before and behind its changes
  long changed = 0;                 ///< old lines up to the last change

  explicit Pattern(const Hunk& hunk) : old(hunk.Old()) {
    first = static_cast<long>(hunk.old_start) + (hunk.old_count == 0);
    bool any = false;
    long at = 0;
    for (const HunkLine& line : hunk.lines) {
      if (line.kind == ' ') {
        ++at;
        ++suffix;
        continue;
      }
      if (!any) prefix = suffix;
      any = true;
      suffix = 0;
      at += line.kind == '-';
      changed = at;
    }
  }

  bool At(const Lines& lines, long where) const {
    return where >= 1 && static_cast<size_t>(where - 1) + old.size() <= lines.size() &&
           std::equal(old.begin(), old.end(), lines.begin() + (where - 1));
  }

  /// 0: nowhere. `frozen` lines are written already.
  long Locate(const Lines& lines, long offset, long frozen) const {
    long guess = first + offset, size = static_cast<long>(old.size()),
         count = static_cast<long>(lines.size());
    if (size == 0) return guess > frozen ? guess : 0;
    // Less context at one end than at the other means that this end is the file's own.
    bool at_start = prefix < suffix && first <= 1, at_end = suffix < prefix;
    long last = count - size + 1;
    if (at_start) return frozen <= prefix && At(lines, 1) ? 1 : 0;
    if (at_end) return last > frozen && At(lines, last) ? last : 0;
    for (long step = 0; guess + step <= last || guess - step > frozen; ++step) {
      if (guess + step > frozen && At(lines, guess + step)) return guess + step;
      if (guess - step > frozen && At(lines, guess - step)) return guess - step;
      if (step > count + std::abs(guess)) break;
    }
    return 0;
  }
};

/// A name without ".", and without double slashes; nothing when it leads out of the folder.
std::optional<std::string> Clean(const std::string& name) {
  if (name.starts_with('/')) return std::nullopt;
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
        if (parts.empty())
          return Error{folder + " is a symbolic link that leads out of the tree"};
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
      auto at = std::find_if(other.begin(), other.end(), [](const HeaderName& of) { return of.pair; });
      if (at == other.end() || StripName(at->name, strip).empty()) continue;
    }
    name.written = std::move(stripped);
    name.given = true;
  }
  return name;
}

unsigned TreeMode(unsigned mode) {
  if ((mode & kTypeBits) == kLink) return kLink;
  return mode & 0100 ? 0100755 : 0100644;
}

unsigned TypeOf(unsigned mode) { return (mode & kTypeBits) == kLink ? kLink : kRegular; }

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
      unsafe = "the name " + name.written + " leads out of the tree";
      continue;
    }
    Result<std::string> path = FollowFolders(*clean, tree);
    if (!path) {
      unsafe = name.written + ": " + path.error().sentence;
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

Result<Places> FindPlaces(const FileChange& file, const Text& before) {
  Places places;
  long offset = 0, frozen = 0;
  for (const Hunk& hunk : file.hunks) {
    Pattern pattern(hunk);
    long where = pattern.Locate(before.lines(), offset, frozen);
    // What makes a file does not apply to one that has something.
    if (where == 1 && file.says_nothing_old == 2 && before.size() > 0) where = 0;
    if (where == 0)
      return Error{"hunk " + std::to_string(places.size() + 1) + " (line " +
                   std::to_string(hunk.old_start) + ") is not there"};
    offset = where - pattern.first;
    frozen = where - 1 + pattern.changed;
    places.push_back(static_cast<size_t>(where - 1));
  }
  return places;
}

std::string ApplyAt(const FileChange& file, const Text& before, const Places& places) {
  std::string after;
  const Lines& lines = before.lines();
  size_t done = 0;
  auto copy_to = [&](size_t line) {
    for (; done < std::min(line, lines.size()); ++done) {
      if (!after.empty() && after.back() != '\n') after += '\n';
      after += lines[done];
    }
  };
  for (size_t i = 0; i < places.size(); ++i) {
    size_t at = places[i];
    for (const HunkLine& line : file.hunks[i].lines) {
      if (line.kind == ' ') {
        ++at;
        continue;
      }
      copy_to(at);
      if (line.kind == '-') {
        ++at;
        ++done;
        continue;
      }
      if (!after.empty() && after.back() != '\n') after += '\n';
      after += line.text;
    }
  }
  copy_to(lines.size());
  return after;
}

Result<Effect> EffectOf(const Patch& patch, const FileChange& file, int strip, const Tree& tree,
                      const Tree& before) {
  bool moves = file.kind == Kind::kRename || file.kind == Kind::kCopy;
  Result<Target> target = FindTarget(file, strip, moves ? before : tree);
  if (!target) return Error{patch.name + ": " + target.error().sentence};
  Effect effect{std::move(*target), {}, {}};
  std::string where = patch.name + ": " + effect.target.to + ": ";
  if (!effect.target.found) return Error{where + effect.target.reason};
  if (!file.binary.empty())
    return Error{where + "a git binary patch, which GNU patch does not apply"};
  const std::string& from = effect.target.from;
  Result<std::optional<TreeFile>> found = (moves ? before : tree).Read(from);
  if (!found) return found.error();
  effect.before = std::move(*found);
  unsigned type = (file.old_mode ? file.old_mode : file.new_mode) & kTypeBits;
  if (file.old_mode && file.new_mode && TypeOf(file.old_mode) != TypeOf(file.new_mode))
    return Error{where + "it would make another type of file of it"};
  if (effect.before && TypeOf(effect.before->mode) != (type ? TypeOf(type) : kRegular))
    return Error{where + from + (TypeOf(effect.before->mode) == kLink
                                     ? " is a symbolic link, not a regular file"
                                     : " is a regular file, not a symbolic link")};
  TreeFile now = effect.before.value_or(TreeFile{Text(), type == kLink ? kLink : 0100644});
  Result<Places> places = FindPlaces(file, now.text);
  if (!places) {
    bool made = file.says_nothing_old == 2 && effect.before && now.text.size() > 0;
    return Error{where + (made ? "is to be made, but is there already" : places.error().sentence)};
  }
  std::string bytes = file.hunks.empty() ? now.text.bytes() : ApplyAt(file, now.text, *places);
  if (bytes.empty() && (file.says_nothing_new == 2 || TypeOf(now.mode) == kLink)) return effect;
  if (file.says_nothing_new == 2)
    return Error{where + "is to be deleted, but has more than the patch takes out"};
  bool sets_mode = file.new_mode && file.new_mode != file.old_mode;
  if (sets_mode) now.mode = TreeMode(file.new_mode);
  // A file that is not there and gets nothing is not made.
  if (!effect.before && file.hunks.empty() && !sets_mode) return effect;
  if (!file.hunks.empty()) now.text = Text(std::move(bytes));
  effect.after = std::move(now);
  return effect;
}

void ApplyEach(const Patch& patch, int strip, MemoryTree& tree,
               const std::function<bool(const FileChange&, const Result<Effect>&)>& each) {
  // git's changes in a row see the tree before the first of them when they rename or copy.
  std::optional<MemoryTree> start;
  std::set<std::string> written;
  bool in_git = false;
  bool moves = std::any_of(patch.files.begin(), patch.files.end(), [](const FileChange& file) {
    return file.kind == Kind::kRename || file.kind == Kind::kCopy;
  });
  for (const FileChange& file : patch.files) {
    if (file.git != in_git || !in_git) {
      in_git = file.git;
      written.clear();
      if (moves && in_git) start = tree;
    }
    Result<Effect> effect = EffectOf(patch, file, strip, tree, start && in_git ? *start : tree);
    if (effect) {
      const Target& target = effect->target;
      // The old name may be another file's new one.
      if (target.kind == Kind::kRename && target.from != target.to && !written.count(target.from))
        tree.Delete(target.from);
      if (effect->after) {
        tree.Write(target.to, *effect->after);
        written.insert(target.to);
      } else if (effect->before) {
        tree.Delete(target.to);
      }
    }
    if (!each(file, effect)) return;
  }
}

Result<void> ApplyPatch(const Patch& patch, int strip, MemoryTree& tree) {
  Result<void> done;
  ApplyEach(patch, strip, tree, [&](const FileChange&, const Result<Effect>& effect) {
    if (!effect) done = effect.error();
    return static_cast<bool>(effect);
  });
  return done;
}

Patch Reversed(const Patch& patch) {
  Patch result = patch;
  std::reverse(result.files.begin(), result.files.end());
  for (FileChange& file : result.files) {
    std::swap(file.old_path, file.new_path);
    std::swap(file.names[0], file.names[1]);
    std::swap(file.says_nothing_old, file.says_nothing_new);
    std::swap(file.old_mode, file.new_mode);
    std::swap(file.old_id, file.new_id);
    if (file.kind == Kind::kCreate || file.kind == Kind::kDelete)
      file.kind = file.kind == Kind::kCreate ? Kind::kDelete : Kind::kCreate;
    for (Hunk& hunk : file.hunks) {
      std::swap(hunk.old_start, hunk.new_start);
      std::swap(hunk.old_count, hunk.new_count);
      hunk.raw = {};
      for (HunkLine& line : hunk.lines)
        if (line.kind != ' ') line.kind = line.kind == '+' ? '-' : '+';
      // Removed lines come before added ones, as diff writes them.
      for (size_t i = 0; i < hunk.lines.size();) {
        size_t end = i;
        while (end < hunk.lines.size() && hunk.lines[end].kind != ' ') ++end;
        std::stable_partition(hunk.lines.begin() + static_cast<long>(i),
                              hunk.lines.begin() + static_cast<long>(end),
                              [](const HunkLine& line) { return line.kind == '-'; });
        i = std::max(end, i + 1);
      }
    }
  }
  return result;
}

}  // namespace restack
