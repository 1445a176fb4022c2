// SPDX-License-Identifier: GPL-2.0-or-later
// The commands of a configured build, made into such that only say whether a file is right.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "restack/result.h"

namespace restack {

struct CompileCommand {
  std::vector<std::string>
      arguments;  ///< ends in -S -o /dev/null and what is an error beyond C's own
  std::string folder;
};

/// By the path in the tree.
using CompileCommands = std::map<std::string, CompileCommand>;

/// compile_commands.json of a build folder. `in_tree` gives a file's path in the source tree, ""
/// for others, which are left out. Error: it cannot be read.
Result<CompileCommands> ReadCompileCommands(
    const std::string& folder, const std::function<std::string(const std::string&)>& in_tree);

}  // namespace restack
