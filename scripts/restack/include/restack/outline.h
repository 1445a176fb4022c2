// SPDX-License-Identifier: GPL-2.0-or-later
/// The named parts of a source file. They tell where an insertion belongs if the lines beside it
/// are gone.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "restack/text.h"

namespace restack {

/// Lines [lead, end) of a file. C's functions, aggregates (struct, enum, array) and macros at file
/// scope; a QAPI schema's entities and their comments; entries of an .hx file; calls and blocks of
/// a meson.build; sections of a .rst.
struct Scope {
  enum class Kind {
    kFunction,
    kAggregate,
    kMacro,
    kIncludes,
    kDoc,
    kExpression,
    kEntry,
    kCall,
    kSection
  };
  Kind kind = Kind::kFunction;
  std::string name;
  size_t lead = 0;   ///< first line of the comment directly above, or `head`
  size_t head = 0;   ///< first line of the thing itself
  size_t body = 0;   ///< first line inside
  size_t close = 0;  ///< the line that closes it, or `end`
  size_t end = 0;    ///< after its last line

  bool operator==(const Scope&) const = default;
  /// "hmp_foo()", "struct RAMBlock", "the documentation of MigrationParameters": for messages.
  std::string Title() const;
};

/// The scopes in the order of the file; they do not overlap. The language is taken from the path's
/// ending; a file in an unknown language has no scopes.
std::vector<Scope> Outline(const std::string& path, const Text& text);

/// The scope whose [lead, end) holds the line, or null.
const Scope* ScopeAt(const std::vector<Scope>& scopes, size_t line);
/// The scopes of that kind and name, in order.
std::vector<const Scope*> FindScopes(const std::vector<Scope>& scopes, Scope::Kind kind,
                                     const std::string& name);

/// The preprocessor conditions that are open before the line, outermost first, without a header's
/// include guard.
std::vector<std::string> ConditionsAt(const Lines& lines, size_t line);
/// The same for all lines: each entry holds from its line up to the next entry.
std::vector<std::pair<size_t, std::vector<std::string>>> ConditionChanges(const Lines& lines);

/// The name that a line of a list stands for: the first quoted string, `@name:` of a QAPI comment,
/// a declarator, or "".
std::string MemberKey(std::string_view line);

}  // namespace restack
