// SPDX-License-Identifier: GPL-2.0-or-later
// landed SERIES BASE TARGET: how many hunks of a series of patches land in another source tree.
// Built from the installed files alone:
//   c++ -std=c++20 landed.cc $(pkg-config --cflags --libs restack) -o landed
#include <restack/folder.h>
#include <restack/rebase.h>

#include <cstdio>

int main(int argc, char** argv) {
  auto fail = [](const restack::Error& error) {
    std::fprintf(stderr, "landed: %s\n", error.message.c_str());
    return 2;
  };
  if (argc != 4) return fail({"usage: landed SERIES BASE TARGET"});
  restack::Result<restack::Series> series = restack::ReadSeries(argv[1]);
  if (!series) return fail(series.error());
  auto base = restack::OpenDirectory(argv[2]), target = restack::OpenDirectory(argv[3]);
  if (!base) return fail(base.error());
  if (!target) return fail(target.error());

  restack::RebaseInput input;
  input.series = &*series;  // borrowed: it lives as long as the run
  input.bases = {*base};
  input.target = *target;
  restack::Result<restack::RebaseOutcome> outcome = restack::Rebase(input);
  if (!outcome) return fail(outcome.error());

  // Nothing was written: the outcome has the new patches and the target's files in memory.
  for (const restack::PatchVerdict& patch : outcome->verdict.patches)
    for (const restack::HunkVerdict& hunk : patch.hunks)
      if (hunk.Open())
        std::printf("%s: %s #%zu: %s\n", patch.name.c_str(), hunk.file.c_str(), hunk.number,
                    hunk.reason.c_str());
  size_t open = outcome->verdict.Count(restack::Grade::kConflict);
  std::printf("%zu of %zu hunks need a person\n", open, outcome->verdict.Hunks());
  return open > 0 ? 1 : 0;
}
