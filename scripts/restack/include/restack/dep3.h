// SPDX-License-Identifier: GPL-2.0-or-later
/// The head of a patch in Debian's patch tagging form (DEP-3): "Field: value" lines, continued by
/// lines that begin with a space; a mail's From/Subject/Date, too.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace restack {

struct Dep3Field {
  std::string name, value;    ///< value: lines joined by "\n", without the leading space
  size_t begin = 0, end = 0;  ///< bytes in the header, for changing one in place
};

struct Dep3 {
  std::vector<Dep3Field> fields;
  std::string text;  ///< the lines that belong to no field
  /// The first field of that name, in upper or lower case (DEP-3), or null.
  const Dep3Field* Find(std::string_view name) const;
  /// First line of Description or Subject ("" without), without "[PATCH n/m]".
  std::string Summary() const;
};

Dep3 ParseDep3(std::string_view header);
/// The header with the value of that field replaced; unchanged if there is no such field.
std::string SetField(std::string_view header, std::string_view name, std::string_view value);

}  // namespace restack
