// SPDX-License-Identifier: GPL-2.0-or-later
// A QEMU command line as an ordered list of options, so that a variant of it is written as what it
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

  /// Each of these throws std::logic_error when no option, or more than one, starts with `start`.
  void Drop(const std::string& start);
  void Replace(const std::string& start, const std::string& option);
  void Substitute(const std::string& start, const std::string& from, const std::string& to);
  void Before(const std::string& start, const std::string& option);
  void After(const std::string& start, const std::string& option);
  /// The value of "KEY=VALUE" in the option that starts with `start`; throws when it has no `key`.
  std::string ValueOf(const std::string& start, const std::string& key) const;

  /// At the end.
  void Add(const std::string& option) { options_.push_back(option); }
  /// Changes every option in place.
  void Transform(const std::function<void(std::string&)>& change);

  /// What QEMU gets, argument by argument.
  std::vector<std::string> Arguments() const;

 private:
  std::vector<std::string>::const_iterator Find(const std::string& start) const;
  std::string& At(const std::string& start);

  std::vector<std::string> options_;
};

/// A change to a command line: one of the functions below, or one of pod_variants.h.
using CommandEdit = std::function<void(CommandLine&)>;

CommandEdit Drop(std::string start);
CommandEdit Replace(std::string start, std::string option);
CommandEdit Substitute(std::string start, std::string from, std::string to);
CommandEdit Before(std::string start, std::string option);
CommandEdit After(std::string start, std::string option);
CommandEdit Add(std::string option);

}  // namespace stx
