// SPDX-License-Identifier: GPL-2.0-or-later
/// Checks with the target's own configured build that the landed hunks are valid there: meson, the
/// QAPI and trace generators, and the compiler's syntax check of every touched file with its own
/// flags.
#pragma once

#include <string>

#include "restack/rebase.h"
#include "restack/store.h"

namespace restack {

/// A source tree of the target and a build folder configured from it; both are restack's own: the
/// landed files are written into the tree, and put back when they are no longer landed.
struct BuildTree {
  std::string tree, build;
  std::string path;  ///< PATH for ninja and the compiler; empty: the caller's
};

/// Sets `check` and `check_says` of every landed hunk. Error: the build folder is not configured, or ninja
/// cannot be run.
Result<void> CheckLanded(const BuildTree& build, const Tree& target, RebaseOutcome& outcome,
                         const Progress& progress);

/// Writes the landed files into a source tree of the target, touching only those whose bytes
/// differ, and puts back what an earlier call wrote and this outcome does not contain. The list of
/// them is TREE/.restack.
Result<void> WriteLanded(const std::string& tree, const Tree& target, const MemoryTree& landed);

}  // namespace restack
