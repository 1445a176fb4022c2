// SPDX-License-Identifier: GPL-2.0-or-later
#include "restack/text.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace restack {

Lines SplitLines(std::string_view bytes) {
  Lines lines;
  lines.reserve(static_cast<size_t>(std::count(bytes.begin(), bytes.end(), '\n')) + 1);
  while (!bytes.empty()) {
    size_t end = bytes.find('\n');
    size_t size = end == std::string_view::npos ? bytes.size() : end + 1;
    lines.push_back(bytes.substr(0, size));
    bytes.remove_prefix(size);
  }
  return lines;
}

std::string Join(const Lines& lines, size_t begin, size_t end) {
  std::string text;
  for (size_t i = begin; i < std::min(end, lines.size()); ++i) text += lines[i];
  return text;
}

namespace {
/// Of every locale that we run in, and in line: it is asked for each character of a source file.
bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
}  // namespace

std::string_view Trim(std::string_view text) {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
  return text;
}

bool IsBlank(std::string_view line) { return Trim(line).empty(); }
bool StartsWith(std::string_view text, std::string_view prefix) { return text.starts_with(prefix); }
bool EndsWith(std::string_view text, std::string_view suffix) { return text.ends_with(suffix); }

bool IsSignificant(std::string_view line) {
  static constexpr std::array kCommon = {
      "else",         "} else {",  "else {",   "break;",    "return;", "return 0;", "return false;",
      "return true;", "do {",      "default:", "continue;", "endif",   "#endif",    "#else",
      "##",           "#",         "*/",       "/*",        "*",       "SRST",      "ERST",
      "return NULL;", "goto out;", "out:",     "exit(1);",  "{ 0 }",   "},{",       "}, {"};
  line = Trim(line);
  if (std::none_of(line.begin(), line.end(),
                   [](char c) { return std::isalnum(static_cast<unsigned char>(c)); }))
    return false;
  return std::find(kCommon.begin(), kCommon.end(), line) == kCommon.end();
}

std::string Squeeze(std::string_view line) {
  std::string text;
  for (char c : line)
    if (!IsSpace(c)) text += c;
  return text;
}

std::string_view BaseName(std::string_view path) {
  size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string_view DirName(std::string_view path) {
  size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

Text::Text(std::string bytes) {
  shared_ = std::make_shared<Shared>();
  shared_->bytes = std::move(bytes);
}

const Lines& Text::lines() const {
  std::call_once(shared_->split, [&] { shared_->lines = SplitLines(shared_->bytes); });
  return shared_->lines;
}

}  // namespace restack
