// SPDX-License-Identifier: GPL-2.0-or-later
// Mutants of C in QEMU's style: one small change each, in the body of a function.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace stx {

struct Mutant {
  std::string file;           ///< below the tree
  std::string function;       ///< the name before the body that it is in
  int line = 0;               ///< from 1
  std::string before, after;  ///< that line, without its indentation
  int occurrence = 1;         ///< of this change of such a line in the function

  /// What names it in lists, whatever its line's number is: "FILE FUNCTION: BEFORE  =>  AFTER", and
  /// " [2]" for the second such line of the function.
  std::string Name() const;
};

/// All mutants that the operators make of `text`, by line. The operators:
///   relations  < and <=, > and >=, == and !=        logic   && and ||, a ! less, if (x) negated
///   arithmetic + and -, / and *, << and >>, | and &, += and -=, ++ and --
///   constants  a number or a NAME plus 1, true and false, return -ERROR as 0
///   statements a call or an assignment that has a line to itself left out
/// Comments, strings, preprocessor lines, and lines that only trace, log, assert, count or free are
/// left alone.
std::vector<Mutant> MakeMutants(const std::string& file, std::string_view text);

/// `text` with the mutant's line in it.
std::string Apply(const Mutant& mutant, std::string_view text);

}  // namespace stx
