// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/yaml_of_page.h"

#include <sstream>
#include <stdexcept>

namespace stx {

std::vector<YamlDocument> YamlDocuments(const std::string& text, int line) {
  std::vector<YamlDocument> documents;
  std::istringstream lines(text);
  std::string document;
  bool empty = true;
  const auto add = [&] {
    if (!empty) documents.push_back({document, line});
    document.clear(), empty = true;
  };
  for (std::string one; std::getline(lines, one);) {
    if (one == "---") {
      add();
      continue;
    }
    document += one + "\n";
    const size_t first = one.find_first_not_of(' ');
    empty = empty && (first == std::string::npos || one[first] == '#');
  }
  add();
  return documents;
}

std::vector<YamlDocument> YamlOfPage(const std::string& markdown) {
  std::vector<YamlDocument> documents;
  std::istringstream lines(markdown);
  std::string block;
  int number = 0, begin = 0;  // begin: 0 outside of a block
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (begin == 0 && line == "```yaml") {
      begin = number, block.clear();
    } else if (begin != 0 && line == "```") {
      for (const YamlDocument& document : YamlDocuments(block, begin))
        documents.push_back(document);
      begin = 0;
    } else if (begin != 0) {
      block += line + "\n";
    }
  }
  if (begin != 0)
    throw std::runtime_error("line " + std::to_string(begin) + ": a block that does not end");
  return documents;
}

}  // namespace stx
