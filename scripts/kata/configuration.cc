// SPDX-License-Identifier: GPL-2.0-or-later
#include "kata/configuration.h"

#include <optional>
#include <regex>
#include <set>
#include <sstream>
#include <stdexcept>

#include "kata/toml.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

/// The first and the last line of an assignment, counted from 0.
struct Place {
  size_t first, last;
};

std::vector<std::string> Split(std::string_view text) {
  std::vector<std::string> lines;
  std::istringstream in{std::string(text)};
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

/// The section to which line `at` belongs; empty before the first section.
std::string FindSection(const std::vector<std::string>& lines, size_t at) {
  static const std::regex kHeader(R"(\s*\[([^\[\]]+)\]\s*(#.*)?)");
  for (size_t i = at + 1; i-- > 0;)
    if (std::smatch match; std::regex_match(lines[i], match, kHeader)) return match[1];
  return {};
}

/// Where the release sets `change.key`. A value may span lines.
std::optional<Place> FindActive(const toml::table& release, const ConfigurationChange& change) {
  const toml::table* section = release.at_path(change.section).as_table();
  if (!section) return {};
  for (const auto& [key, value] : *section)
    if (key.str() == change.key)
      return Place{key.source().begin.line - size_t{1}, value.source().end.line - size_t{1}};
  return {};
}

/// Where the release has `change.key` commented out: "#key = value".
std::optional<Place> FindCommented(const std::vector<std::string>& lines,
                                   const ConfigurationChange& change) {
  const std::regex commented(R"(\s*#\s*)" + change.key + R"(\s*=.*)");
  for (size_t i = 0; i < lines.size(); ++i)
    if (std::regex_match(lines[i], commented) && FindSection(lines, i) == change.section)
      return Place{i, i};
  return {};
}

/// `reason` as comment lines of at most 80 columns.
std::vector<std::string> Comment(const std::string& reason) {
  std::vector<std::string> comment;
  std::string line = "# stx-qemu:";
  std::istringstream words(reason);
  for (std::string word; words >> word; line += " " + word) {
    if (line.size() + 1 + word.size() <= 80) continue;
    comment.push_back(line);
    line = "#";
  }
  comment.push_back(line);
  return comment;
}

}  // namespace

std::vector<ConfigurationChange> ReadConfigurationChanges(const fs::path& list) {
  const toml::table table = ParseToml(list);
  const toml::array* tables = table["change"].as_array();
  if (!tables || tables->empty()) throw std::runtime_error(list.string() + ": no [[change]]");
  std::vector<ConfigurationChange> changes;
  std::set<std::string> seen;
  for (const toml::node& node : *tables) {
    const std::string where =
        list.string() + ":" + std::to_string(node.source().begin.line) + ": [[change]] ";
    const toml::table* entry = node.as_table();
    auto field = [&](const char* name) {
      std::string text = entry ? (*entry)[name].value_or(std::string()) : std::string();
      if (text.empty()) throw std::runtime_error(where + "needs '" + name + "', a string");
      return text;
    };
    ConfigurationChange change{field("section"), field("key"), {}, field("reason"), {}};
    change.line = static_cast<int>(node.source().begin.line);
    const toml::node* value = entry->get("value");
    if (!value) throw std::runtime_error(where + "needs 'value'");
    std::ostringstream text;
    const auto flags =
        toml::toml_formatter::default_flags & ~toml::format_flags::allow_literal_strings;
    value->visit([&](const auto& v) { text << toml::toml_formatter{v, flags}; });
    change.value = text.str();
    if (!seen.insert(change.section + "." + change.key).second)
      throw std::runtime_error(where + "changes " + change.key + " for the second time");
    changes.push_back(std::move(change));
  }
  return changes;
}

std::string ApplyConfigurationChanges(std::string_view release,
                                      const std::vector<ConfigurationChange>& changes,
                                      const fs::path& list) {
  std::string text(release);
  for (const ConfigurationChange& change : changes) {
    const toml::table table = ParseToml(text, "the release's configuration");
    std::vector<std::string> lines = Split(text);
    std::optional<Place> place = FindActive(table, change);
    if (!place) place = FindCommented(lines, change);
    if (!place)
      throw std::runtime_error(list.string() + ":" + std::to_string(change.line) +
                               ": the release's configuration has no key '" + change.key +
                               "' in [" + change.section + "]");
    std::vector<std::string> replacement = Comment(change.reason);
    replacement.push_back(change.key + " = " + change.value);
    lines.erase(lines.begin() + place->first, lines.begin() + place->last + 1);
    lines.insert(lines.begin() + place->first, replacement.begin(), replacement.end());
    text.clear();
    for (const std::string& line : lines) text += line + "\n";
  }
  ParseToml(text, "the changed configuration");
  return text;
}

}  // namespace stx
