// SPDX-License-Identifier: GPL-2.0-or-later
#include "patch_writer.h"

#include <algorithm>
#include <cctype>
#include <set>

#include "restack/apply.h"
#include "restack/dep3.h"
#include "restack/merge.h"

namespace restack {
namespace {

constexpr size_t kContext = 3;

/// The line that diff -p shows: the last one above that begins with a letter, $ or _.
std::string Section(const Lines& lines, size_t begin) {
  for (size_t i = begin; i-- > 0;) {
    unsigned char first = static_cast<unsigned char>(lines[i][0]);
    if (!std::isalpha(first) && first != '_' && first != '$') continue;
    std::string_view head = lines[i].substr(0, 40);
    while (!head.empty() && std::isspace(static_cast<unsigned char>(head.back())))
      head.remove_suffix(1);
    return " " + std::string(head);
  }
  return {};
}

std::string Header(const FileChange* file, const std::string& from, const std::string& to,
                   bool made, bool deleted, unsigned mode, unsigned old_mode) {
  auto prefix = [&](const std::string& path, const char* otherwise) {
    size_t slash = path.find('/');
    return slash == std::string::npos ? std::string(otherwise) : path.substr(0, slash + 1);
  };
  std::string a = file && !file->old_path.empty() ? prefix(file->old_path, "a/") : "a/";
  std::string b = file && !file->new_path.empty() ? prefix(file->new_path, "b/") : "b/";
  std::string text;
  bool git = file && StartsWith(file->header, "diff --git ");
  bool mode_changes = !made && !deleted && old_mode && mode != old_mode;
  if (git || mode_changes) {
    char number[16];
    auto octal = [&](unsigned value) {
      return std::snprintf(number, sizeof number, "%06o", value), std::string(number);
    };
    text += "diff --git " + a + from + " " + b + to + "\n";
    if (made) text += "new file mode " + octal(mode) + "\n";
    if (deleted) text += "deleted file mode " + octal(old_mode) + "\n";
    if (mode_changes) text += "old mode " + octal(old_mode) + "\nnew mode " + octal(mode) + "\n";
    if (from != to && !made && !deleted) text += "rename from " + from + "\nrename to " + to + "\n";
  }
  return text + "--- " + (made ? "/dev/null" : a + from) + "\n+++ " +
         (deleted ? "/dev/null" : b + to) + "\n";
}

const std::optional<TreeFile>* Find(const std::map<std::string, std::optional<TreeFile>>& files,
                                    const std::string& path) {
  auto at = files.find(path);
  return at == files.end() ? nullptr : &at->second;
}

}  // namespace

std::vector<Hunk> DiffHunks(const Text& before, const Text& after) {
  std::vector<Hunk> hunks;
  std::vector<Change> changes = Diff(before.bytes(), after.bytes());
  for (size_t i = 0; i < changes.size();) {
    size_t last = i;
    while (last + 1 < changes.size() &&
           changes[last + 1].a_begin - changes[last].a_end <= 2 * kContext)
      ++last;
    size_t a = changes[i].a_begin, lead = std::min(a, kContext);
    size_t a_end = std::min(changes[last].a_end + kContext, before.size());
    Hunk hunk;
    auto add = [&](char kind, std::string_view line) {
      hunk.lines.push_back({kind, std::string(line), {}});
    };
    size_t at = a - lead;
    for (size_t j = i; j <= last; ++j) {
      for (; at < changes[j].a_begin; ++at) add(' ', before[at]);
      for (; at < changes[j].a_end; ++at) add('-', before[at]);
      for (size_t b = changes[j].b_begin; b < changes[j].b_end; ++b) add('+', after[b]);
    }
    for (; at < a_end; ++at) add(' ', before[at]);
    hunk.old_count = hunk.Old().size();
    hunk.new_count = hunk.New().size();
    hunk.old_start = a - lead + (hunk.old_count > 0 ? 1 : 0);
    hunk.new_start = changes[i].b_begin - lead + (hunk.new_count > 0 ? 1 : 0);
    hunk.section = Section(before.lines(), a - lead);
    hunks.push_back(std::move(hunk));
    i = last + 1;
  }
  return hunks;
}

Result<std::string> WritePatch(const Patch& patch, const std::string& original, int strip,
                               const std::vector<std::string>& landed_in, const PatchFiles& files,
                               const std::string& applies_to) {
  Patch result;
  result.name = patch.name;
  result.header = patch.header;
  result.trailer = patch.trailer;
  std::set<std::string> done;
  bool same = true;
  auto write = [&](const FileChange* file, const std::string& from, const std::string& to) -> bool {
    const auto *before = Find(files.before, from), *after = Find(files.after, to);
    bool had = before && *before, has = after && *after;
    done.insert(from);
    done.insert(to);
    if (!had && !has) return false;
    Text old_text = had ? (*before)->text : Text(), new_text = has ? (*after)->text : Text();
    unsigned old_mode = had ? (*before)->mode : 0, mode = has ? (*after)->mode : 0;
    if (had && has && from == to && old_text.bytes() == new_text.bytes() && old_mode == mode)
      return false;
    if (file && file->OldPath(strip) == from && file->Path(strip) == to && file->binary.empty()) {
      // As it was, when `patch --fuzz=0` puts each of its hunks where we did.
      Result<Places> places = FindPlaces(*file, old_text);
      bool kind = (file->kind == FileChange::Kind::kCreate) == !had &&
                  (file->kind == FileChange::Kind::kDelete) == !has;
      if (places && kind && ApplyAt(*file, old_text, *places) == new_text.bytes() &&
          (!file->new_mode || file->new_mode == mode || !has)) {
        result.files.push_back(*file);
        return true;
      }
    }
    same = false;
    FileChange made;
    if (file) made.before = StartsWith(Trim(file->before), "Index:") ? "" : file->before;
    made.header = Header(file, had ? from : to, has ? to : from, !had, !has, mode, old_mode);
    made.hunks = DiffHunks(old_text, new_text);
    result.files.push_back(std::move(made));
    return true;
  };
  for (size_t i = 0; i < patch.files.size(); ++i) {
    const FileChange& file = patch.files[i];
    std::string to = landed_in[i];
    bool kept = false;
    if (!to.empty() && !done.count(to)) {
      bool rename =
          file.kind == FileChange::Kind::kRename && file.OldPath(strip) != file.Path(strip);
      kept = write(
          &file, rename && Find(files.before, file.OldPath(strip)) ? file.OldPath(strip) : to, to);
    }
    same = same && kept;
  }
  for (const auto& [path, file] : files.after)
    if (!done.count(path)) write(nullptr, path, path);
  if (result.files.empty()) return std::string();
  Result<Patch> unedited = ParsePatch(original, patch.name);
  if (same && unedited && unedited->header == patch.header) return original;
  if (!applies_to.empty()) result.header = SetField(result.header, "Applies-To", applies_to);
  std::string text = Print(result);
  // It must mean what we landed: read it as quilt will.
  Result<Patch> again = ParsePatch(text, patch.name);
  if (!again)
    return Error{"the patch written for the target cannot be read: " + again.error().sentence};
  MemoryTree tree;
  for (const auto& [path, file] : files.before)
    if (file) tree.Write(path, *file);
  if (Result<void> applied = ApplyPatch(*again, 1, tree); !applied)
    return Error{"the patch written for the target does not apply: " + applied.error().sentence};
  for (const auto& [path, file] : files.after) {
    Result<std::optional<TreeFile>> now = tree.Read(path);
    if (!now || now->has_value() != file.has_value() ||
        (file && (*now)->text.bytes() != file->text.bytes()))
      return Error{patch.name + ": " + path +
                   ": the patch written for the target gives other bytes than what was landed"};
  }
  return text;
}

}  // namespace restack
