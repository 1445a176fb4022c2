// SPDX-License-Identifier: GPL-2.0-or-later
/// What restack says about a hunk, a patch and a series.
#pragma once

#include <string>
#include <vector>

#include "restack/text.h"

namespace restack {

/// How a hunk came to its place, from the safest to none.
enum class Grade {
  kExact,           ///< every context line is there
  kMoved,           ///< as exact or merged, in another file or function
  kMerged,          ///< a clean three-way merge with what the target changed
  kReanchored,      ///< an insertion placed by its scope; its neighbour lines are gone
  kResolved,        ///< by a person's remembered edit
  kUpstream,        ///< the target has it already: dropped
  kPartlyUpstream,  ///< the target has some of it; the rest is landed
  kConflict,        ///< needs a person
};
const char* Name(Grade grade);

/// The semantic check of a landed hunk.
enum class Check { kUnchecked, kPassed, kFailed };
const char* Name(Check check);

struct HunkVerdict {
  size_t number = 0;   ///< from 1, in its file of the patch
  std::string file;    ///< path in the base
  std::string target;  ///< path in the target; empty: none
  size_t line = 0;     ///< from 1, in the target after the patch; 0: not landed
  Grade grade = Grade::kConflict;
  std::string scope;   ///< "hmp_foo()", or empty
  std::string reason;  ///< a message: the evidence, or why a person is needed
  Check check = Check::kUnchecked;
  std::string check_says;  ///< the message of the compiler or generator, or why it was not checked
  Bytes before;            ///< the hunk as it was, for showing
  Bytes after;             ///< what it became, when that is different

  /// Names the hunk by its content, so that an edit answers this one and no other: "FILE #N ID".
  std::string Key() const;
  bool Landed() const { return grade != Grade::kConflict && grade != Grade::kUpstream; }
  bool Open() const { return grade == Grade::kConflict || check == Check::kFailed; }
};

struct PatchVerdict {
  std::string name, summary;
  std::vector<HunkVerdict> hunks;
  std::vector<std::string>
      notes;  ///< of no hunk: a mode that was lost, a remembered resolution that no longer fits
  bool resolved = false;   ///< a person's edit is part of it
  bool unchanged = false;  ///< its bytes are as they were
  bool dropped = false;    ///< nothing of it is left for the target
  Bytes text;              ///< the patch for the target, as the bytes of its file; see `dropped`

  size_t Count(Grade grade) const;
  bool Open() const;
  bool Upstream() const;  ///< every hunk is
};

/// Where a file of the base is in the target.
struct FileMapping {
  std::string from, to;  ///< `to` empty: nowhere
  std::string evidence;
};
/// Where a function that left its file is.
struct FunctionMapping {
  std::string function, from, to;
};

struct SeriesVerdict {
  std::string base, target;  ///< names of the trees
  std::vector<PatchVerdict> patches;
  std::vector<FileMapping> files;
  std::vector<FunctionMapping> functions;

  size_t Count(Grade grade) const;
  size_t Hunks() const;
  size_t Broken() const;  ///< landed and failed the check
  bool Open() const;
};

}  // namespace restack
