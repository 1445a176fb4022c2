// SPDX-License-Identifier: GPL-2.0-or-later
// Where the files that a patch touches are in the target.
#pragma once

#include <map>
#include <optional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "restack/rebase.h"

namespace restack {

class Renames {
 public:
  /// `made`: files of the base that the series itself makes; they say nothing about folders.
  Renames(std::shared_ptr<const Tree> base, std::shared_ptr<const Tree> target, const Maps& given,
          std::set<std::string> made);

  /// The file's path in the target, "" when it is nowhere. `text` is what it is in the base.
  std::string File(const std::string& path, const Text& text);
  /// The path for a file that a patch makes: its folder may have moved.
  std::string NewFile(const std::string& path);
  /// A patch has made `path` of the base, as `to` of the target; later patches find it there.
  void Made(const std::string& path, const std::string& to) { made_[path] = to; }
  /// A patch has taken it away again.
  void Gone(const std::string& path) { made_.erase(path); }
  /// Files of the target that a function of `from` may be in.
  std::vector<std::string> Function(const std::string& function, const std::string& from);
  /// The one file of the target that defines a function that the base does not have; "" otherwise.
  std::string Gained(const std::string& function, const std::string& from) const;
  /// The text with the names that headers have in the target in its `#include` lines; no value when
  /// none changes.
  std::optional<std::string> FollowHeaders(std::string_view text);
  /// The header that an `#include` line of a file names, when the base has it and the target has
  /// none of that name; "" otherwise.
  std::string GoneHeader(std::string_view line, const std::string& file) const;

  /// All that was found, given ones included: only what is different.
  std::vector<FileMapping> files() const;
  std::vector<FunctionMapping> functions() const { return functions_; }

 private:
  bool IsBeside(const std::string& name, const std::string& file) const;
  FileMapping Find(const std::string& path, const Text& text);
  std::string Folder(const std::string& folder);

  std::shared_ptr<const Tree> base_, target_;
  std::map<std::string, FileMapping> files_;
  std::set<std::string> by_series_;  ///< files of the base that the series makes
  std::map<std::string, std::string> made_;  ///< by the series' own patches
  std::map<std::string, std::string> folders_;
  /// The folders of a file name.
  using ByName = std::map<std::string_view, std::vector<std::string_view>>;
  static const ByName& Named(const Tree& tree, ByName& names);
  mutable ByName by_name_, base_by_name_;  ///< of the target, of the base
  std::vector<FunctionMapping> given_functions_, functions_;
};

}  // namespace restack
