// SPDX-License-Identifier: GPL-2.0-or-later
/// Moves a series from the tree that it was made for to another one.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "restack/progress.h"
#include "restack/result.h"
#include "restack/series.h"
#include "restack/tree.h"
#include "restack/verdict.h"

namespace restack {

/// Where files and functions went, as given by the user. `from` is a path of the base.
struct Maps {
  std::vector<FileMapping> files;
  std::vector<FunctionMapping> functions;
};


/// The user's edits to what restack landed, by the name of the patch: each is a patch on top of it,
/// which may also change the head.
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
  Progress progress;       ///< may be empty
  std::string applies_to;  ///< new value of the DEP-3 field Applies-To in patches that change;
                           ///< empty: left alone
};

/// What one patch does to the target, file by file. No value means that the file does not exist.
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

/// Moves the whole series in one run. A hunk that conflicts is left out, and the run goes on with
/// the next one.
Result<RebaseOutcome> Rebase(const RebaseInput& input);

/// Finds the base to which most hunks of the series apply with fuzz 0: its index in `bases`, how
/// many hunks apply, and how many there are.
struct BaseChoice {
  size_t index = 0, hunks = 0, of = 0;
};
BaseChoice ChooseBase(const Series& series, const std::vector<std::shared_ptr<const Tree>>& bases);

/// A unified diff of one file with 3 lines of context and the function's head behind the @@, as
/// quilt writes it.
std::vector<Hunk> DiffHunks(const Text& before, const Text& after);

}  // namespace restack
