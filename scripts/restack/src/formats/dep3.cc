// SPDX-License-Identifier: GPL-2.0-or-later
#include "restack/dep3.h"

#include <algorithm>
#include <cctype>

#include "restack/text.h"

namespace restack {
namespace {

bool SameLetters(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

/// The length of a field's name at the start of a line, 0 without one.
size_t NameSize(std::string_view line) {
  size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return 0;
  if (colon + 1 < line.size() && !std::isspace(static_cast<unsigned char>(line[colon + 1])))
    return 0;
  bool name = std::isalpha(static_cast<unsigned char>(line[0])) &&
              std::all_of(line.begin(), line.begin() + static_cast<long>(colon),
                          [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_'; });
  return name ? colon : 0;
}

}  // namespace

const Dep3Field* Dep3::Find(std::string_view name) const {
  for (const Dep3Field& field : fields)
    if (SameLetters(field.name, name)) return &field;
  return nullptr;
}

std::string Dep3::Summary() const {
  const Dep3Field* field = Find("Description");
  if (!field) field = Find("Subject");
  if (!field) return {};
  std::string line = field->value.substr(0, field->value.find('\n'));
  if (StartsWith(line, "[PATCH"))
    if (size_t end = line.find("] "); end != std::string::npos) line.erase(0, end + 2);
  return line;
}

Dep3 ParseDep3(std::string_view header) {
  Dep3 dep3;
  size_t at = 0;
  bool in_field = false;
  for (std::string_view line : SplitLines(header)) {
    size_t begin = at;
    at += line.size();
    std::string_view content = line;
    while (!content.empty() && (content.back() == '\n' || content.back() == '\r'))
      content.remove_suffix(1);
    if (in_field && (StartsWith(content, " ") || StartsWith(content, "\t"))) {
      Dep3Field& field = dep3.fields.back();
      std::string_view value = content.substr(1);
      field.value += "\n";
      field.value += value == "." ? "" : value;
      field.end = at;
    } else if (size_t size = NameSize(content)) {
      dep3.fields.push_back({std::string(content.substr(0, size)),
                             std::string(Trim(content.substr(size + 1))), begin, at});
      in_field = true;
    } else {
      in_field = false;
      dep3.text += line;
    }
  }
  return dep3;
}

std::string SetField(std::string_view header, std::string_view name, std::string_view value) {
  Dep3 dep3 = ParseDep3(header);
  const Dep3Field* field = dep3.Find(name);
  if (!field) return std::string(header);
  std::string text(header.substr(0, field->begin));
  text += field->name;
  text += ": ";
  for (char c : value) {
    text += c;
    if (c == '\n') text += ' ';
  }
  text += "\n";
  text += header.substr(field->end);
  return text;
}

}  // namespace restack
