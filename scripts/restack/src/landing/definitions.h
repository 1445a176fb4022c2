// SPDX-License-Identifier: GPL-2.0-or-later
// What the lines of a file define, in any language, as far as one line shows it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "restack/text.h"

namespace restack {

/// The same key twice in a file is the same thing twice. `key` has the block that it is in ("struct
/// Net: member port"), `name` the bare name.
struct Definition {
  enum class Kind {
    kMacro,
    kFunction,
    kDeclaration,  ///< of a function
    kType,
    kVariable,  ///< at file scope; of a Makefile, a script
    kMember,    ///< of a structure; a property of a node, a key of a section
    kLocal,
    kLabel,
    kCase,
    kEntry,  ///< of an enumeration, a row of a table
    kNode,   ///< of a device tree
    kRule,   ///< of a Makefile; an option, a configuration symbol
  };
  Kind kind;
  std::string name, key;
  size_t line = 0;
  bool hidden = false;  ///< nothing outside the file sees it: `static`, a local
};

enum class Language { kNone, kC, kMake, kPython, kShell, kMeson, kKconfig, kIni, kJson };
Language LanguageOf(std::string_view path);

/// In order of lines. The path says which language it is; nothing for one that is not known.
std::vector<Definition> Definitions(const std::string& path, const Lines& lines);

// The two halves of Definitions().
std::vector<Definition> DefinitionsOfC(const std::string& path, const Lines& lines);
std::vector<Definition> DefinitionsByLine(Language language, const Lines& lines);

}  // namespace restack
