// SPDX-License-Identifier: GPL-2.0-or-later
// The command line of a verb. The verb's file in scripts/help/ is the only list of its options: the
// script and the program behind it both read that file (its format: scripts/help/README.md).
#pragma once

#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace stx {

/// The user's input is wrong: the tool exits with code 2.
struct BadInput : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// One option or positional argument of such a file.
struct HelpEntry {
  std::string name;                     ///< "--qemu"; "PATCH"
  std::string flag;                     ///< "-h", or empty
  std::string value;                    ///< the placeholder of its value, "PATH"; empty for a flag
  std::vector<std::string> conditions;  ///< "required", "repeatable", "with --x", "not with --x"
};
/// The entries of a help text before its first command.
std::vector<HelpEntry> ReadHelp(const std::string& help);

class Arguments {
 public:
  /// `internal` holds further entries in the format of `help`. The script passes them; --help does
  /// not list them.
  Arguments(const std::string& help, const std::string& internal, int argc,
            const char* const* argv);

  /// Set if there is nothing left to do, because help or a message was printed: the exit code.
  std::optional<int> ended() const { return ended_; }
  bool Has(const std::string& name) const { return !Values(name).empty(); }
  /// The value, or "" if it was not given. Throws std::logic_error for a name that has no entry.
  std::string Value(const std::string& name) const;
  const std::vector<std::string>& Values(const std::string& name) const;

 private:
  std::map<std::string, std::vector<std::string>> values_;
  std::optional<int> ended_;
};

/// The main() of a verb. Exits with 0 or 1 as `run` returns, 1 after an exception, 2 for wrong
/// arguments or BadInput. Messages begin with `name`.
int RunVerb(const char* name, const std::string& help, const std::string& internal, int argc,
            const char* const* argv, int (*run)(const Arguments&));

}  // namespace stx
