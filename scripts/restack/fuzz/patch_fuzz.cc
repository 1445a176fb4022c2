// SPDX-License-Identifier: GPL-2.0-or-later
// The patch parser: any bytes are refused with a message or print as they were.
#include <algorithm>

#include "fuzz.h"
#include "restack/apply.h"
#include "restack/patch.h"

using namespace restack;
using fuzz::Must;

namespace {

bool SameLines(const Hunk& a, const Hunk& b) {
  return std::equal(
      a.lines.begin(), a.lines.end(), b.lines.begin(), b.lines.end(),
      [](const HunkLine& x, const HunkLine& y) { return x.kind == y.kind && x.text == y.text; });
}

/// What restack prints has the same meaning: the parser reads the same lines back.
void PrintsAnew(Hunk hunk) {
  hunk.raw = {};
  hunk.section.clear();
  Result<Patch> again = ParsePatch("--- a/f\n+++ b/f\n" + std::string(Print(hunk).view()), "anew");
  Must(static_cast<bool>(again), "a hunk that was printed anew is read");
  Must(again->files.size() == 1 && again->files[0].hunks.size() == 1, "it is one hunk");
  Must(SameLines(hunk, again->files[0].hunks[0]), "with the same lines");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes = fuzz::Bytes(data, size);
  Result<Patch> patch = ParsePatch(bytes, "fuzz.patch");
  if (!patch) {
    Must(patch.error().message.starts_with("fuzz.patch:"), "an error names the file and line");
    return 0;
  }
  Must(Print(*patch) == bytes, "printing gives the same bytes");
  for (const FileChange& file : patch->files) {
    for (int strip = 0; strip < 4; ++strip) {
      file.Path(strip);
      file.OldPath(strip);
    }
    for (const Hunk& hunk : file.hunks) {
      Must(hunk.Old().size() == hunk.old_count, "the old side has as many lines as it says");
      Must(hunk.New().size() == hunk.new_count, "the new side has as many lines as it says");
      PrintsAnew(hunk);
    }
  }
  Patch twice = Reversed(Reversed(*patch));
  Must(twice.files.size() == patch->files.size(), "reversed twice, it has the same files");
  for (size_t i = 0; i < twice.files.size(); ++i) {
    Must(twice.files[i].old_path == patch->files[i].old_path, "the same paths");
    Must(twice.files[i].kind == patch->files[i].kind, "of the same kind");
  }
  return 0;
}
