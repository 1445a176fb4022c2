// SPDX-License-Identifier: GPL-2.0-or-later
#include "print.h"

namespace restack::cli {

namespace {

const char* ColourOf(const HunkVerdict& hunk) {
  if (hunk.Open()) return "\033[31m";
  switch (hunk.grade) {
    case Grade::kExact:
      return "\033[32m";
    case Grade::kUpstream:
    case Grade::kPartlyUpstream:
      return "\033[36m";
    default:
      return "\033[33m";
  }
}

std::string Where(const HunkVerdict& hunk) {
  std::string text = hunk.file + " #" + std::to_string(hunk.number);
  if (hunk.Landed() && hunk.line > 0) {
    text += " -> ";
    if (hunk.target != hunk.file) text += hunk.target;
    text += ":" + std::to_string(hunk.line);
  }
  return text;
}

}  // namespace

std::string ToText(const SeriesVerdict& verdict, Detail detail, bool colour) {
  bool all = detail == Detail::kAll, quiet = detail == Detail::kOpen;
  std::string text = verdict.base + " -> " + verdict.target + "\n";
  for (const FileMapping& file : verdict.files)
    if (!quiet)
      text += "  file " + file.from + (file.to.empty() ? " is gone" : " is " + file.to) + " (" +
            file.evidence + ")\n";
  for (const FunctionMapping& function : verdict.functions)
    if (!quiet)
      text += "  " + function.function + "() of " + function.from + " is in " + function.to + "\n";
  for (const PatchVerdict& patch : verdict.patches) {
    if (quiet && !patch.Open() && patch.notes.empty()) continue;
    text += patch.name + ": ";
    if (patch.Upstream()) {
      text += "upstream, dropped";
    } else if (patch.hunks.empty()) {
      text += "empty (byte-identical)";
    } else {
      std::string counts;
      for (Grade grade :
           {Grade::kExact, Grade::kMoved, Grade::kMerged, Grade::kReanchored, Grade::kResolved,
            Grade::kUpstream, Grade::kPartlyUpstream, Grade::kConflict})
        if (size_t count = patch.Count(grade))
          counts += (counts.empty() ? "" : ", ") + std::to_string(count) + " " + Name(grade);
      text += counts + (patch.unchanged ? " (byte-identical)" : "");
    }
    text += "\n";
    for (const std::string& note : patch.notes) text += "  note: " + note + "\n";
    for (const HunkVerdict& hunk : patch.hunks) {
      if (!all && !hunk.Open()) continue;
      std::string grade = hunk.check == Check::kFailed ? "broken" : Name(hunk.grade);
      if (hunk.check == Check::kPassed) grade += ", checked";
      text +=
          "  " + (colour ? ColourOf(hunk) + grade + "\033[0m" : grade) + "  " + Where(hunk) + "\n";
      if (!hunk.reason.empty()) text += "      " + hunk.reason + "\n";
      if (hunk.check == Check::kFailed) text += "      " + hunk.check_says + "\n";
    }
  }
  size_t open = 0, landed = 0, unchecked = 0, passed = 0;
  for (const PatchVerdict& patch : verdict.patches)
    for (const HunkVerdict& hunk : patch.hunks) {
      open += hunk.Open(), landed += hunk.Landed() && !hunk.Open();
      passed += hunk.check == Check::kPassed;
      unchecked += hunk.Landed() && !hunk.Open() && hunk.check == Check::kUnchecked;
    }
  text += std::to_string(verdict.Hunks()) + " hunks: " + std::to_string(landed) + " landed, " +
          std::to_string(verdict.Count(Grade::kUpstream)) + " upstream, " + std::to_string(open) +
          " for a person";
  if (size_t broken = verdict.Broken())
    text += " (" + std::to_string(broken) + " landed but broken)";
  if (passed + verdict.Broken() > 0)
    text += "; " + std::to_string(passed) + " of the landed ones were checked by the build, " +
            std::to_string(unchecked) + " were not compiled";
  return text + "\n";
}

}  // namespace restack::cli
