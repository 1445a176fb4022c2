// SPDX-License-Identifier: GPL-2.0-or-later
// What a compiler, meson or a generator complains about.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace restack {

struct Complaint {
  std::string file;  ///< in the tree; empty: not known
  size_t line = 0;
  std::string message;
};

/// Adds the lines "FILE:LINE[:COLUMN]: [ERROR:] message" of an output that have `mark`, or all of
/// them without one. `in_tree` gives a file's path in the tree, or ""; others are left out.
void ReadComplaints(const std::string& output, const char* mark,
                    const std::function<std::string(const std::string&)>& in_tree,
                    std::vector<Complaint>& complaints);
/// The first line that speaks of an error, or the last one.
std::string LastLine(const std::string& output);

}  // namespace restack
