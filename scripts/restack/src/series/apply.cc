// SPDX-License-Identifier: GPL-2.0-or-later
#include "restack/apply.h"

#include <algorithm>

namespace restack {
namespace {

bool Matches(const std::vector<std::string_view>& old, const Lines& lines, size_t at) {
  return at + old.size() <= lines.size() &&
         std::equal(old.begin(), old.end(), lines.begin() + static_cast<long>(at));
}

/// Context lines at the start and at the end.
std::pair<size_t, size_t> ContextOf(const Hunk& hunk) {
  size_t prefix = 0, suffix = 0;
  while (prefix < hunk.lines.size() && hunk.lines[prefix].kind == ' ') ++prefix;
  while (suffix < hunk.lines.size() && hunk.lines[hunk.lines.size() - 1 - suffix].kind == ' ')
    ++suffix;
  return {prefix, suffix};
}

}  // namespace

size_t FindHunk(const std::vector<std::string_view>& old, const Hunk& hunk, const Lines& lines,
                size_t expected, size_t from) {
  auto [prefix, suffix] = ContextOf(hunk);
  if (old.size() > lines.size()) return std::string::npos;
  size_t last = lines.size() - old.size();
  // As GNU patch: less context at one end than at the other means that this end is the file's own.
  if (prefix < suffix && hunk.old_start <= 1)
    return from == 0 && Matches(old, lines, 0) ? 0 : std::string::npos;
  if (suffix < prefix) return last >= from && Matches(old, lines, last) ? last : std::string::npos;
  expected = std::min(expected, last);
  for (size_t offset = 0; offset <= lines.size(); ++offset) {
    if (expected + offset <= last && expected + offset >= from &&
        Matches(old, lines, expected + offset))
      return expected + offset;
    if (offset > 0 && expected >= offset + from && Matches(old, lines, expected - offset))
      return expected - offset;
  }
  return std::string::npos;
}

Result<Places> FindPlaces(const FileChange& file, const Text& before) {
  Places places;
  size_t from = 0;
  long offset = 0;
  for (const Hunk& hunk : file.hunks) {
    auto old = hunk.Old();
    long start = static_cast<long>(hunk.old_start) - (hunk.old_count > 0 ? 1 : 0);
    size_t expected = static_cast<size_t>(std::max(0L, start + offset));
    size_t at = FindHunk(old, hunk, before.lines(), expected, from);
    if (at == std::string::npos)
      return Error{"hunk " + std::to_string(places.size() + 1) + " (line " +
                   std::to_string(hunk.old_start) + ") is not there"};
    offset = static_cast<long>(at) - start;
    places.push_back(at);
    from = at + old.size();
  }
  return places;
}

std::string ApplyAt(const FileChange& file, const Text& before, const Places& places) {
  std::string after;
  size_t at = 0;
  for (size_t i = 0; i < places.size(); ++i) {
    after += Join(before.lines(), at, places[i]);
    for (std::string_view line : file.hunks[i].New()) after += line;
    at = places[i] + file.hunks[i].Old().size();
  }
  return after + Join(before.lines(), at);
}

Result<void> ApplyFile(const Patch& patch, const FileChange& file, int strip, MemoryTree& tree) {
  using Kind = FileChange::Kind;
  std::string from = file.OldPath(strip), to = file.Path(strip);
  std::string where = patch.name + ": " + to + ": ";
  if (!file.binary.empty()) return Error{where + "a binary change, which cannot be applied here"};
  Result<std::optional<TreeFile>> found = tree.Read(from);
  if (!found) return found.error();
  if (file.kind == Kind::kCreate && *found && (*found)->text.size() > 0)
    return Error{where + "is to be made, but is there already"};
  if (file.kind != Kind::kCreate && !*found) return Error{where + from + " is not in the tree"};
  TreeFile before = found->value_or(TreeFile());
  Result<Places> places = FindPlaces(file, before.text);
  if (!places) return Error{where + places.error().sentence};
  std::string after = ApplyAt(file, before.text, *places);
  if (file.kind == Kind::kDelete || (file.kind == Kind::kRename && from != to)) tree.Delete(from);
  if (file.kind == Kind::kDelete) return {};
  tree.Write(to, {Text(std::move(after)), file.new_mode ? file.new_mode : before.mode});
  return {};
}

Result<void> ApplyPatch(const Patch& patch, int strip, MemoryTree& tree) {
  for (const FileChange& file : patch.files)
    if (Result<void> done = ApplyFile(patch, file, strip, tree); !done) return done;
  return {};
}

Patch Reversed(const Patch& patch) {
  using Kind = FileChange::Kind;
  Patch result = patch;
  std::reverse(result.files.begin(), result.files.end());
  for (FileChange& file : result.files) {
    std::swap(file.old_path, file.new_path);
    std::swap(file.old_mode, file.new_mode);
    std::swap(file.old_id, file.new_id);
    if (file.kind == Kind::kCreate || file.kind == Kind::kDelete)
      file.kind = file.kind == Kind::kCreate ? Kind::kDelete : Kind::kCreate;
    for (Hunk& hunk : file.hunks) {
      std::swap(hunk.old_start, hunk.new_start);
      std::swap(hunk.old_count, hunk.new_count);
      hunk.header.clear();
      for (HunkLine& line : hunk.lines) {
        line.raw.clear();
        if (line.kind != ' ') line.kind = line.kind == '+' ? '-' : '+';
      }
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
