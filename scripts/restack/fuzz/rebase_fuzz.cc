// SPDX-License-Identifier: GPL-2.0-or-later
// Landing: an input is a path and three texts, each behind a line "%%": the file of the base, the
// same file after the patch, and the file of the target. Whatever they are, the run ends, and what
// it writes is a patch.
#include <string>
#include <vector>

#include "fuzz.h"
#include "restack/apply.h"
#include "restack/rebase.h"

using namespace restack;
using fuzz::Must;

namespace {

std::vector<std::string> Split(std::string_view bytes) {
  std::vector<std::string> parts(1);
  for (std::string_view line : SplitLines(bytes)) {
    if (line == "%%\n")
      parts.emplace_back();
    else
      parts.back() += line;
  }
  return parts;
}

struct Case {
  std::string path, base, after, target;
};

RebaseOutcome Run(const Case& it, const std::string& target_text) {
  Patch patch;
  patch.name = "fuzz.patch";
  FileChange file;
  file.old_path = "a/" + it.path;
  file.new_path = "b/" + it.path;
  file.header = "--- " + file.old_path + "\n+++ " + file.new_path + "\n";
  file.hunks = DiffHunks(Text(it.base), Text(it.after));
  if (file.hunks.empty()) return {};
  patch.files.push_back(file);
  std::string bytes = Print(patch);
  Result<Patch> read = ParsePatch(bytes, "fuzz.patch");
  Must(static_cast<bool>(read), "a difference is a patch");

  auto base = std::make_shared<MemoryTree>(nullptr, "base");
  auto target = std::make_shared<MemoryTree>(nullptr, "target");
  base->Write(it.path, {Text(it.base)});
  target->Write(it.path, {Text(target_text)});
  MemoryTree applied(base);
  Must(static_cast<bool>(ApplyPatch(*read, 1, applied)),
       "a difference applies to where it is from");
  Must((*applied.Read(it.path))->text.bytes() == it.after, "and makes what it was made of");
  MemoryTree undone(std::make_shared<MemoryTree>(applied));
  Must(static_cast<bool>(ApplyPatch(Reversed(*read), 1, undone)), "its reverse applies");
  Must((*undone.Read(it.path))->text.bytes() == it.base, "and undoes it");

  Series series;
  series.patches = {*read};
  series.strip = {1};
  series.reverse = {false};
  series.originals = {bytes};
  RebaseInput input;
  input.series = &series;
  input.target = target;
  input.bases = {base};
  Result<RebaseOutcome> outcome = Rebase(input);
  if (!outcome) std::fprintf(stderr, "%s\n", outcome.error().message.c_str());
  Must(static_cast<bool>(outcome), "a run ends with a verdict");
  Must(outcome->verdict.Hunks() == file.hunks.size(), "each hunk has a verdict");
  for (const HunkVerdict& hunk : outcome->verdict.patches[0].hunks)
    Must(!hunk.reason.empty(), "each verdict has a reason");
  return std::move(*outcome);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<std::string> parts = Split(fuzz::Bytes(data, size));
  if (parts.size() != 4) return 0;
  static constexpr const char* kPaths[] = {"a.c",         "a.h",   "qapi/a.json", "a.hx",
                                           "meson.build", "a.rst", "a.txt"};
  const char* path =
      kPaths[parts[0].empty() ? 0 : static_cast<unsigned char>(parts[0][0]) % std::size(kPaths)];
  Case it{path, parts[1], parts[2], parts[3]};
  Run(it, it.target);
  RebaseOutcome same = Run(it, it.base);
  if (same.verdict.patches.empty()) return 0;
  Must(same.verdict.Count(Grade::kExact) == same.verdict.Hunks(),
       "on its own base every hunk is exact");
  Must((*same.landed->Read(path))->text.bytes() == it.after, "and lands as it was made");
  Must(same.verdict.patches[0].unchanged, "byte-identical");
  return 0;
}
