// SPDX-License-Identifier: GPL-2.0-or-later
// The command line of a verb, as its file in scripts/help/ has it. That file is the only list of
// the verb's options: the script and the program behind it read the same one (its form:
// scripts/help/README.md).
#pragma once

#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace stx {

/// Something that the user gave is wrong: the tool ends with exit code 2.
struct BadInput : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// One option, or one argument that is not an option, of such a file.
struct HelpEntry {
  std::string name;                     ///< "--qemu"; "PATCH"
  std::string flag;                     ///< "-h", or empty
  std::string value;                    ///< what stands for its value: "PATH"; empty: a flag
  std::vector<std::string> conditions;  ///< "required", "repeatable", "with --x", "not with --x"
};
/// The entries of a help text before its first command.
std::vector<HelpEntry> ReadHelp(const std::string& help);

class Arguments {
 public:
  /// `internal` is more entries in the form of `help`, which the script gives and --help omits.
  Arguments(const std::string& help, const std::string& internal, int argc,
            const char* const* argv);

  /// Set when there is no more to do: help or a message was printed, and this is the exit code.
  std::optional<int> ended() const { return ended_; }
  bool Has(const std::string& name) const { return !Values(name).empty(); }
  /// The value, "" when it was not given. Throws std::logic_error for a name without an entry.
  std::string Value(const std::string& name) const;
  const std::vector<std::string>& Values(const std::string& name) const;

 private:
  std::map<std::string, std::vector<std::string>> values_;
  std::optional<int> ended_;
};

/// The main() of a verb: 0 or 1 as `run` says, 1 for an exception, 2 for wrong arguments and
/// BadInput; `name` begins the message.
int RunVerb(const char* name, const std::string& help, const std::string& internal, int argc,
            const char* const* argv, int (*run)(const Arguments&));

}  // namespace stx
