// SPDX-License-Identifier: GPL-2.0-or-later
// Words in a line of code.
#pragma once

#include <cctype>
#include <string_view>

namespace restack {

inline bool IsWordCharacter(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_';
}
inline bool IsLetter(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_'; }

/// The word that begins at `at`; empty when none does.
inline std::string_view WordAt(std::string_view text, size_t at) {
  size_t end = at;
  while (end < text.size() && IsWordCharacter(text[end])) ++end;
  return text.substr(at, end - at);
}

/// The word that ends at `end`, white space before it left out.
inline std::string_view WordBefore(std::string_view text, size_t end) {
  while (end > 0 && (text[end - 1] == ' ' || text[end - 1] == '\t')) --end;
  size_t begin = end;
  while (begin > 0 && IsWordCharacter(text[begin - 1])) --begin;
  return text.substr(begin, end - begin);
}

}  // namespace restack
