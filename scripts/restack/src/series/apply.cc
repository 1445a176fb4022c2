// SPDX-License-Identifier: GPL-2.0-or-later
#include "restack/apply.h"

#include <algorithm>
#include <set>

namespace restack {
namespace {

using Kind = FileChange::Kind;

constexpr unsigned kTypeBits = 0170000, kRegular = 0100000, kLink = 0120000;

unsigned TreeMode(unsigned mode) {
  if ((mode & kTypeBits) == kLink) return kLink;
  return mode & 0100 ? 0100755 : 0100644;
}

unsigned TypeOf(unsigned mode) { return (mode & kTypeBits) == kLink ? kLink : kRegular; }

}  // namespace

Result<Effect> EffectOf(const Patch& patch, const FileChange& file, int strip, const Tree& tree,
                        const Tree& before) {
  bool moves = file.kind == Kind::kRename || file.kind == Kind::kCopy;
  Result<Target> target = FindTarget(file, strip, moves ? before : tree);
  if (!target) return Error{patch.name + ": " + target.error().message};
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
    return Error{where + from +
                 (TypeOf(effect.before->mode) == kLink
                      ? " is a symbolic link, not a regular file"
                      : " is a regular file, not a symbolic link")};
  TreeFile now = effect.before.value_or(TreeFile{Text(), type == kLink ? kLink : 0100644});
  if (file.says_nothing_old == 2 && effect.before && !now.text.empty())
    return Error{where + "is to be made, but is there already"};
  Result<Places> places = FindPlaces(file, now.text);
  if (!places) return Error{where + places.error().message};
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
