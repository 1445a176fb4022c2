// SPDX-License-Identifier: GPL-2.0-or-later
// The lines of source files that a compiler read: what is below an #if that a build leaves out, it
// never saw.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

#include "restack/text.h"

namespace restack {

class ReadLines {
 public:
  /// What the preprocessor printed, with its line markers. `in_tree` gives a file's path in the
  /// tree; "" when it is elsewhere or of no interest.
  void Add(const std::string& output,
           const std::function<std::string(const std::string&)>& in_tree);
  void Add(const ReadLines& other);
  /// The directive that keeps a line of the file away from the compiler, when each place with that
  /// text is below such a one; "" otherwise. Only for files that some unit includes.
  std::string LeftOut(const std::string& path, const Lines& file, std::string_view line) const;

 private:
  std::map<std::string, std::set<size_t>> read_;  ///< by path, from 0
};

/// The `if` of a meson.build that each place with that text is below; "" when one is below none.
/// meson reads only branches that are taken, and does not say which.
std::string BelowMesonIf(const Lines& file, std::string_view line);

}  // namespace restack
