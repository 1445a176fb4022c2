// SPDX-License-Identifier: GPL-2.0-or-later
#include "help.h"

#include <map>
#include <sstream>
#include <stdexcept>

#include "restack_help.h"

namespace restack::cli {
namespace {

/// The text before the first command's section is under "".
std::map<std::string, std::string> Sections() {
  std::map<std::string, std::string> sections;
  std::istringstream in(kHelp);
  std::string current;
  const std::string start = "usage: restack ";
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(start))
      current = line.substr(start.size(), line.find(' ', start.size()) - start.size());
    sections[current] += line + "\n";
  }
  return sections;
}

void SetHelpOf(CLI::App& app, const std::string& text) {
  app.formatter_fn([text](const CLI::App*, std::string, CLI::AppFormatMode) { return text; });
  for (const CLI::Option* option : app.get_options())
    if (const std::string name = option->get_name();
        name.starts_with("--") && name != "--help" &&
        text.find("\n  " + name + " ") == std::string::npos)
      throw std::logic_error("scripts/help/restack has no " + name + " of \"" + app.get_name() +
                             "\"");
}

}  // namespace

void SetHelp(CLI::App& app) {
  std::map<std::string, std::string> sections = Sections();
  SetHelpOf(app, sections[""]);
  for (CLI::App* command : app.get_subcommands([](CLI::App*) { return true; })) {
    const std::string name = command->get_name();
    if (!sections.count(name)) throw std::logic_error("scripts/help/restack has no " + name);
    SetHelpOf(*command, sections[name]);
    sections.erase(name);
  }
}

}  // namespace restack::cli
