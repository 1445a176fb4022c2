// SPDX-License-Identifier: GPL-2.0-or-later
#include "restack/merge.h"

#include <git2.h>

#include <unordered_map>

#include "trees/git_library.h"

namespace restack {

std::vector<Change> Diff(std::string_view a, std::string_view b) {
  if (a == b) return {};
  static GitLibrary library;  // set up once: each set-up reads all certificates
  git_diff_options options;
  git_diff_options_init(&options, GIT_DIFF_OPTIONS_VERSION);
  options.context_lines = 0;
  options.interhunk_lines = 0;
  options.flags = GIT_DIFF_FORCE_TEXT | GIT_DIFF_PATIENCE | GIT_DIFF_INDENT_HEURISTIC;
  std::vector<Change> changes;
  git_diff_buffers(
      a.data(), a.size(), nullptr, b.data(), b.size(), nullptr, &options, nullptr, nullptr,
      [](const git_diff_delta*, const git_diff_hunk* hunk, void* out) {
        // A side without lines names the line before it.
        size_t a_count = static_cast<size_t>(hunk->old_lines),
               b_count = static_cast<size_t>(hunk->new_lines);
        size_t a_begin = static_cast<size_t>(hunk->old_start) - (a_count > 0 ? 1 : 0);
        size_t b_begin = static_cast<size_t>(hunk->new_start) - (b_count > 0 ? 1 : 0);
        static_cast<std::vector<Change>*>(out)->push_back(
            {a_begin, a_begin + a_count, b_begin, b_begin + b_count});
        return 0;
      },
      nullptr, &changes);
  return changes;
}

LineMap MapLines(std::string_view a, size_t a_lines, std::string_view b) {
  LineMap map(a_lines, kNowhere);
  size_t i = 0, j = 0;
  auto equal_until = [&](size_t end) {
    for (; i < end; ++i, ++j) map[i] = j;
  };
  for (const Change& change : Diff(a, b)) {
    equal_until(change.a_begin);
    i = change.a_end;
    j = change.b_end;
  }
  equal_until(a_lines);
  return map;
}

Merged Merge(std::string_view base, std::string_view ours, std::string_view theirs,
             const std::string& ours_name, const std::string& theirs_name) {
  static GitLibrary library;  // set up once: each set-up reads all certificates
  auto input = [](std::string_view bytes) {
    git_merge_file_input in;
    git_merge_file_input_init(&in, GIT_MERGE_FILE_INPUT_VERSION);
    in.ptr = bytes.data();
    in.size = bytes.size();
    return in;
  };
  git_merge_file_input ancestor = input(base), target = input(ours), patch = input(theirs);
  git_merge_file_options options;
  git_merge_file_options_init(&options, GIT_MERGE_FILE_OPTIONS_VERSION);
  options.ancestor_label = "base";
  options.our_label = ours_name.c_str();
  options.their_label = theirs_name.c_str();
  options.flags = GIT_MERGE_FILE_STYLE_DIFF3 | GIT_MERGE_FILE_DIFF_PATIENCE;
  git_merge_file_result result = {};
  Merged merged;
  if (git_merge_file(&result, &ancestor, &target, &patch, &options) == 0) {
    merged.clean = result.automergeable != 0;
    merged.text.assign(result.ptr, result.len);
    git_merge_file_result_free(&result);
  }
  return merged;
}

double Similarity(const Text& a, const Text& b) {
  std::unordered_map<std::string_view, int> lines;
  for (std::string_view line : b.lines())
    if (IsSignificant(line)) ++lines[Trim(line)];
  size_t common = 0, all = 0;
  for (std::string_view line : a.lines()) {
    if (!IsSignificant(line)) continue;
    ++all;
    if (auto at = lines.find(Trim(line)); at != lines.end() && at->second-- > 0) ++common;
  }
  return all == 0 ? 0 : static_cast<double>(common) / static_cast<double>(all);
}

}  // namespace restack
