// SPDX-License-Identifier: GPL-2.0-or-later
#include "function_index.h"

#include <cctype>

#include "restack/text.h"

namespace restack {

std::string FunctionName(std::string_view head) {
  size_t paren = head.find('(');
  if (paren == std::string_view::npos || head.find('=') < paren) return {};
  auto word = [&](size_t at) {
    return std::isalnum(static_cast<unsigned char>(head[at])) || head[at] == '_';
  };
  size_t end = paren;
  while (end > 0 && head[end - 1] == ' ') --end;
  size_t begin = end;
  while (begin > 0 && word(begin - 1)) --begin;
  std::string name(head.substr(begin, end - begin));
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name[0]))) return {};
  if (name == "if" || name == "for" || name == "while" || name == "switch" || name == "return" ||
      name == "do")
    return {};
  return name;
}

void IndexFunctions(const std::string& path, std::string_view bytes,
                    std::vector<std::string>& out) {
  if (!EndsWith(path, ".c") && !EndsWith(path, ".h")) return;
  Lines lines = SplitLines(bytes);
  auto word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; };
  auto add = [&](std::string_view text, size_t end) {
    while (end > 0 && !word(text[end - 1])) --end;
    size_t begin = end;
    while (begin > 0 && word(text[begin - 1])) --begin;
    if (begin < end)
      out.push_back(std::string(text.substr(begin, end - begin)) + "\t" + path + "\n");
  };
  for (size_t i = 1; i < lines.size(); ++i) {
    // All that counts begins at column 0; most lines do not.
    char begin = lines[i][0];
    if (begin != '{' && begin != '#' && !std::isalpha(static_cast<unsigned char>(begin))) continue;
    // Tables (name[] = {), and in .c files macros: they move as functions do.
    size_t equals = lines[i].find('=');
    if (equals != std::string_view::npos && std::isalpha(static_cast<unsigned char>(lines[i][0])) &&
        EndsWith(Trim(lines[i]), "{"))
      add(lines[i], std::min(equals, lines[i].find('[')));
    if (StartsWith(lines[i], "#define ") && EndsWith(path, ".c"))
      add(lines[i], std::min(lines[i].size(), lines[i].find_first_of(" (\n", 8)));
    // `static inline int f(int a) {`, as others write it.
    std::string_view code = Trim(lines[i]);
    if (EndsWith(code, "{") && code.size() > 1 && equals == std::string_view::npos &&
        std::isalpha(static_cast<unsigned char>(lines[i][0])))
      if (std::string name = FunctionName(code); !name.empty())
        out.push_back(name + "\t" + path + "\n");
    if (code != "{" || lines[i][0] != '{') continue;
    // The head begins at column 0, up to a few lines above.
    for (size_t back = 1; back <= 12 && back <= i; ++back) {
      std::string_view line = lines[i - back];
      if (IsBlank(line) || line[0] == '}' || line[0] == '#' || line[0] == '/') break;
      unsigned char first = static_cast<unsigned char>(line[0]);
      if (!std::isalpha(first) && first != '_') continue;
      std::string name = FunctionName(line);
      if (name.empty()) continue;
      out.push_back(name + "\t" + path + "\n");
      break;
    }
  }
}

}  // namespace restack
