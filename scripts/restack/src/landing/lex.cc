// SPDX-License-Identifier: GPL-2.0-or-later
#include "lex.h"

#include <cctype>

#include "words.h"

namespace restack {

std::vector<LexPlace> LexPlaces(const Lines& lines) {
  std::vector<LexPlace> places(lines.size() + 1);
  std::vector<long> conditions;
  LexPlace now;
  for (size_t i = 0; i < lines.size(); ++i) {
    places[i] = now;
    std::string_view line = lines[i];
    if (!now.comment) {
      std::string_view text = Trim(line);
      if (!text.empty() && text[0] == '#') {
        text = Trim(text.substr(1));
        if (StartsWith(text, "if"))
          conditions.push_back(now.depth);
        else if (StartsWith(text, "el") && !conditions.empty())
          now.depth = conditions.back();
        else if (StartsWith(text, "endif") && !conditions.empty())
          conditions.pop_back();
        if (StartsWith(text, "define")) {  // its braces are its own
          while (i + 1 < lines.size() && EndsWith(Trim(lines[i]), "\\")) places[++i] = now;
          continue;
        }
      }
    }
    char quote = 0;
    for (size_t k = 0; k < line.size(); ++k) {
      char c = line[k], next = k + 1 < line.size() ? line[k + 1] : 0;
      if (now.comment) {
        if (c == '*' && next == '/') now.comment = false, ++k;
      } else if (quote) {
        if (c == '\\')
          ++k;
        else if (c == quote)
          quote = 0;
      } else if (c == '/' && next == '*') {
        now.comment = true, ++k;
      } else if (c == '/' && next == '/') {
        break;
      } else if (c == '"' || (c == '\'' && line.find('\'', k + 1) != std::string_view::npos)) {
        quote = c;
      } else {
        now.depth += (c == '{') - (c == '}');
      }
    }
  }
  places[lines.size()] = now;
  return places;
}

long OpenBraces(std::string_view line) { return LexPlaces({line}).back().depth; }

bool EndsFlow(std::string_view line) {
  line = Trim(line);
  return StartsWith(line, "return") || StartsWith(line, "goto ") || StartsWith(line, "break") ||
         StartsWith(line, "continue");
}

std::vector<std::string_view> CodeWords(std::string_view line) {
  std::vector<std::string_view> words;
  char quote = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    char c = line[i];
    if (quote) {
      if (c == '\\')
        ++i;
      else if (c == quote)
        quote = 0;
    } else if (c == '"') {
      quote = c;
    } else if (c == '/' && i + 1 < line.size() && (line[i + 1] == '/' || line[i + 1] == '*')) {
      size_t end = line[i + 1] == '*' ? line.find("*/", i + 2) : std::string_view::npos;
      if (end == std::string_view::npos) break;
      i = end + 1;
    } else if (IsLetter(c)) {
      std::string_view word = WordAt(line, i);
      words.push_back(word);
      i += word.size() - 1;
    } else if (std::isdigit(static_cast<unsigned char>(c))) {
      while (i + 1 < line.size() && IsWordCharacter(line[i + 1])) ++i;
    }
  }
  return words;
}

}  // namespace restack
