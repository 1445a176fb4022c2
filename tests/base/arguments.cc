// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/arguments.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <regex>
#include <sstream>

namespace stx {
namespace {

std::vector<std::string> Split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, at);)
    parts.push_back(part.substr(std::min(part.find_first_not_of(' '), part.size())));
  return parts;
}

CLI::Option* Add(CLI::App& app, const HelpEntry& entry) {
  const std::string names = (entry.flag.empty() ? "" : entry.flag + ",") + entry.name;
  if (entry.value.empty()) return app.add_flag(names);
  CLI::Option* option = app.add_option(names)->expected(1);
  if (entry.value == "PATH" || entry.value == "TARBALL")
    option->check(
        [](const std::string& path) {
          return std::filesystem::is_regular_file(path) ? "" : path + ": no such file";
        },
        "");
  if (entry.value.find('|') != std::string::npos)
    option->check(CLI::IsMember(Split(entry.value, '|')));
  for (const std::string& condition : entry.conditions) {
    if (condition == "required") option->required();
    if (condition == "repeatable")
      option->expected(1, CLI::detail::expected_max_vector_size)
          ->allow_extra_args(!entry.name.starts_with('-'));
  }
  return option;
}

}  // namespace

std::vector<HelpEntry> ReadHelp(const std::string& help) {
  static const std::regex option(R"(^  (?:(-[a-z]), )?(--[a-z0-9-]+)(?: ([^ ]+))?(?:   *(.*))?$)"),
      word(R"(^  ([A-Z]+)(\.\.\.)?   *(.*)$)"), conditions(R"(^\(([^)]*)\).*)");
  std::vector<HelpEntry> entries;
  std::istringstream in(help);
  int usages = 0;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("usage: ") && ++usages == 2) break;
    HelpEntry entry;
    std::string text;
    if (std::smatch match; std::regex_match(line, match, option)) {
      entry = {match[2], match[1], match[3], {}};
      text = match[4];
    } else if (std::regex_match(line, match, word)) {
      entry = {match[1], "", match[1], {}};
      if (match[2].length()) entry.conditions.push_back("repeatable");
      text = match[3];
    } else {
      continue;
    }
    if (std::smatch match; std::regex_match(text, match, conditions))
      for (const std::string& condition : Split(match[1], ','))
        entry.conditions.push_back(condition);
    entries.push_back(entry);
  }
  return entries;
}

Arguments::Arguments(const std::string& help, const std::string& internal, int argc,
                     const char* const* argv) {
  CLI::App app;
  app.formatter_fn([&](const CLI::App*, std::string, CLI::AppFormatMode) { return help; });
  std::vector<HelpEntry> entries = ReadHelp(help);
  for (const HelpEntry& entry : ReadHelp(internal)) entries.push_back(entry);
  std::map<std::string, CLI::Option*> options;
  for (const HelpEntry& entry : entries)
    if (entry.name != "--help") options[entry.name] = Add(app, entry);
  for (const HelpEntry& entry : entries)
    for (const std::string& condition : entry.conditions) {
      if (condition.starts_with("with "))
        options[entry.name]->needs(options.at(condition.substr(5)));
      if (condition.starts_with("not with "))
        options[entry.name]->excludes(options.at(condition.substr(9)));
    }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    ended_ = app.exit(error) == 0 ? 0 : 2;
  }
  for (const auto& [name, option] : options) values_[name] = option->results();
}

const std::vector<std::string>& Arguments::Values(const std::string& name) const {
  const auto found = values_.find(name);
  if (found == values_.end()) throw std::logic_error("the help text has no " + name);
  return found->second;
}

std::string Arguments::Value(const std::string& name) const {
  const std::vector<std::string>& values = Values(name);
  return values.empty() ? "" : values.back();
}

int RunVerb(const char* name, const std::string& help, const std::string& internal, int argc,
            const char* const* argv, int (*run)(const Arguments&)) try {
  const Arguments arguments(help, internal, argc, argv);
  return arguments.ended() ? *arguments.ended() : run(arguments);
} catch (const BadInput& error) {
  std::fprintf(stderr, "%s: %s\n", name, error.what());
  return 2;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s: %s\n", name, error.what());
  return 1;
}

}  // namespace stx
