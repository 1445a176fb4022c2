// SPDX-License-Identifier: GPL-2.0-or-later
/// Moving a series from the tree that it was made for to another one.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "restack/result.h"
#include "restack/series.h"
#include "restack/tree.h"
#include "restack/verdict.h"

namespace restack {

/// What a person knows better: where files and functions went. `from` is a path of the base.
struct Maps {
  std::vector<FileMapping> files;
  std::vector<FunctionMapping> functions;
};


/// A person's edit to what restack landed of a patch, as a patch on top of it; by the patch's name.
/// It may also change the head.
using Resolutions = std::map<std::string, Patch>;

/// What is pointed to lives at least as long as the run and is not changed by it. Runs with inputs
/// of their own (trees, too) may go on in several threads at the same time.
struct RebaseInput {
  const Series* series = nullptr;
  std::shared_ptr<const Tree> target;
  /// The trees that the series may have been made for; the likeliest first. The one to which most
  /// of it applies is its base; a file that does not fit there is looked for in the others.
  std::vector<std::shared_ptr<const Tree>> bases;
  /// The content of a blob named in an index line; may be empty.
  std::function<std::optional<Text>(const std::string& id)> blob;
  Maps maps;
  Resolutions resolutions;
  std::string applies_to;  ///< new value of the DEP-3 field Applies-To in patches that change;
                           ///< empty: left alone
};

/// What one patch does with the target, file by file; no value: the file is not there.
struct PatchFiles {
  std::map<std::string, std::optional<TreeFile>> before;     ///< of those that it touches
  std::map<std::string, std::optional<TreeFile>> automatic;  ///< landed by restack
  std::map<std::string, std::optional<TreeFile>> after;      ///< with a person's edits
  std::map<std::string, std::string> conflicts;  ///< with markers, of those with a conflict
  std::string automatic_head, head;  ///< the patch's head, without and with a person's edits
  /// The name under which the head (description, DEP-3 fields) stands beside the files, as if it
  /// were one of them: "PATCH-HEAD", or with more "_" when a file is called so.
  std::string head_file;
};

/// Nothing is written anywhere: see Session for that. `landed` keeps the target's tree alive.
struct RebaseOutcome {
  SeriesVerdict verdict;
  std::vector<PatchFiles> files;       ///< of each patch
  std::shared_ptr<MemoryTree> landed;  ///< the target with all that is landed
};

/// All of the series in one run: a hunk that conflicts is left out, and what follows is still
/// tried.
Result<RebaseOutcome> Rebase(const RebaseInput& input);

/// The base among `bases` to which most hunks of the series apply with fuzz 0; its index, and how
/// many of how many.
struct BaseChoice {
  size_t index = 0, hunks = 0, of = 0;
};
BaseChoice ChooseBase(const Series& series, const std::vector<std::shared_ptr<const Tree>>& bases);

/// A unified diff of one file with 3 lines of context and the function's head behind the @@, as
/// quilt writes it.
std::vector<Hunk> DiffHunks(const Text& before, const Text& after);

}  // namespace restack
