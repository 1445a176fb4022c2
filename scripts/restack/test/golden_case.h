// SPDX-License-Identifier: GPL-2.0-or-later
// A golden case: one text file that shows one thing.
//
// Its first lines say what it shows. Then come sections, each of which a line
// "=== WORD [ARGUMENTS]" begins:
//
// clang-format off
//   base PATH         a file of the tree that the series was made for; a mode (0100755) and
//                     "no-newline" may follow the path
//   target PATH       a file of the tree that it moves to, in the same form
//   other PATH        a file of another known tree that the series may have been made for
//   blob              a file of which only the blob id is known
//   patch NAME        a patch of the series
//   series            the series file; without this section, the patches in order
//   maps              a person's map of files and functions (TOML)
//   resolution NAME   a person's remembered edit to what is landed of a patch, as a patch
//   compile           files that the target's build compiles, one per line: the landed ones are
//                     really checked
//   generator FROM TO a shell script that makes a header of the build from a file of the tree, as
//                     the QAPI generator does: its argument is the file, and it prints the header
//   verdict           one line per hunk: PATCH FILE NUMBER: GRADE[, CHECK] [PATH:LINE] "words"
//                     "of the reason"
//   note              words that a note of some patch has
//   map               one line per mapping that was found: FROM -> TO, or FUNCTION: FROM -> TO
//   result PATH       a file of the target as it is landed, with its mode; "gone": it is not there
//   text NAME         the patch as it is written for the target; "same": byte for byte as it was
//   fields NAME       the DEP-3 fields of a patch, "Name: value" with \n as "\n"
//   needs             one line per dependency: PATCH needs PATCH (text|symbol): evidence
//   error             the message with which the input is refused
// clang-format on
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "restack/result.h"
#include "restack/tree.h"

namespace restack::golden {

struct Section {
  std::string word;
  std::vector<std::string> arguments;
  std::string text;
  size_t line = 0;

  bool Has(const std::string& argument) const;
};

struct Case {
  std::string shows;
  std::vector<Section> sections;

  std::vector<const Section*> All(const std::string& word) const;
  /// The only one, or null.
  const Section* One(const std::string& word) const;
};

/// Error: a section whose word is unknown, or no message above the first.
Result<Case> ReadCase(const std::string& bytes, const std::string& name);

/// The file that a base, target or result section holds.
TreeFile FileOf(const Section& section);

/// One line of a verdict section.
struct Expected {
  std::string patch, file, grade, check, place;
  size_t number = 0;
  std::vector<std::string> words;
};
Result<Expected> ReadExpected(const std::string& line);

}  // namespace restack::golden
