// SPDX-License-Identifier: GPL-2.0-or-later
// A pod's command line as text, an option a line, so that a variant of the contract's section 1.2
// is written as what it changes.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace stx {

class KataCommand {
 public:
  /// "-option value" lines; @name@ is a placeholder.
  explicit KataCommand(std::vector<std::string> lines) : lines_(std::move(lines)) {}

  /// Section 1.1 of the contract, with TCG for KVM, and without vsock (a suite of its own).
  static KataCommand Q35();
  /// machine_type="microvm" of section 1.2.
  static KataCommand Microvm();

  /// Each throws when no line, or more than one, starts with `start`.
  void Drop(const std::string& start);
  void Replace(const std::string& start, const std::string& line);
  void Substitute(const std::string& start, const std::string& from, const std::string& to);
  void Before(const std::string& start, const std::string& line);

  void Add(const std::string& line) { lines_.push_back(line); }

  const std::vector<std::string>& lines() const { return lines_; }
  /// Argument by argument, placeholders filled in; throws for a placeholder without value.
  std::vector<std::string> Arguments(const std::map<std::string, std::string>& values) const;

 private:
  std::vector<std::string>::iterator Find(const std::string& start);

  std::vector<std::string> lines_;
};

/// A change to a command line.
using Edit = std::function<void(KataCommand&)>;

Edit Drop(std::string start);
Edit Replace(std::string start, std::string line);
Edit Substitute(std::string start, std::string from, std::string to);
Edit Before(std::string start, std::string line);
Edit Add(std::string line);

}  // namespace stx
