// SPDX-License-Identifier: GPL-2.0-or-later
// Which file defines a C function.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace restack {

/// Adds a line "name\tpath\n" for each function and table that a .c or .h file defines, and each
/// macro of a .c file.
void IndexFunctions(const std::string& path, std::string_view bytes,
                    std::vector<std::string>& lines);

/// The name that a function's head declares ("static int foo(int a," gives "foo"); empty: it is no
/// function's head.
std::string FunctionName(std::string_view head);

}  // namespace restack
