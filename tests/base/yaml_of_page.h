// SPDX-License-Identifier: GPL-2.0-or-later
// The YAML that a page of docs/ holds.
#pragma once

#include <string>
#include <vector>

namespace stx {

struct YamlDocument {
  std::string text;
  int line = 0;  ///< of the page or file, where its block begins
};

/// The documents of a YAML text, which "---" separates, without empty ones. `line` is that of the
/// text.
std::vector<YamlDocument> YamlDocuments(const std::string& text, int line = 1);

/// The documents of each ```yaml block of a page. Throws with the line of a block that does not
/// end.
std::vector<YamlDocument> YamlOfPage(const std::string& markdown);

}  // namespace stx
