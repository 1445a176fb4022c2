// SPDX-License-Identifier: GPL-2.0-or-later
// A QEMU command line as an ordered list of options, so that a variant can be written as a list of
// changes.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace stx {

class CommandLine {
 public:
  /// Each option is "-name" or "-name value"; the value starts after the first space.
  explicit CommandLine(std::vector<std::string> options = {}) : options_(std::move(options)) {}

  const std::vector<std::string>& options() const { return options_; }
  /// Whether an option starts with `start`.
  bool Has(const std::string& start) const;

  /// Each of these throws std::logic_error unless exactly one option starts with `start`.
  void Drop(const std::string& start);
  void Replace(const std::string& start, const std::string& option);
  void Substitute(const std::string& start, const std::string& from, const std::string& to);
  void InsertBefore(const std::string& start, const std::string& option);
  void InsertAfter(const std::string& start, const std::string& option);
  /// The value of "KEY=VALUE" in the option that starts with `start`. Throws if the option has no
  /// `key`.
  std::string GetValue(const std::string& start, const std::string& key) const;

  /// Appends an option.
  void Add(const std::string& option) { options_.push_back(option); }
  /// Calls `change` for every option.
  void Transform(const std::function<void(std::string&)>& change);

  /// The arguments that QEMU receives.
  std::vector<std::string> GetArguments() const;

 private:
  std::vector<std::string>::const_iterator Find(const std::string& start) const;
  std::string& At(const std::string& start);

  std::vector<std::string> options_;
};

/// A change to a command line: one of the functions below, or one from pod_variants.h.
using CommandEdit = std::function<void(CommandLine&)>;

CommandEdit Drop(std::string start);
CommandEdit Replace(std::string start, std::string option);
CommandEdit Substitute(std::string start, std::string from, std::string to);
CommandEdit InsertBefore(std::string start, std::string option);
CommandEdit InsertAfter(std::string start, std::string option);
CommandEdit Add(std::string option);

}  // namespace stx
