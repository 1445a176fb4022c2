// SPDX-License-Identifier: GPL-2.0-or-later
#include "definitions.h"

#include <algorithm>

namespace restack {

Language LanguageOf(std::string_view path) {
  std::string_view name = BaseName(path);
  size_t dot = name.rfind('.');
  std::string_view ending = dot == std::string_view::npos ? "" : name.substr(dot);
  for (std::string_view c : {".c", ".h", ".cc", ".cpp", ".cxx", ".hpp", ".hh", ".inc", ".y", ".l",
                             ".java", ".js", ".ts", ".go", ".rs", ".dts", ".dtsi", ".dtso", ".m"})
    if (ending == c) return Language::kC;
  if (ending == ".pro" && EndsWith(path, "proto/" + std::string(name))) return Language::kC;
  if (StartsWith(name, "Makefile") || StartsWith(name, "GNUmakefile") || ending == ".mk" ||
      name == "Kbuild")
    return Language::kMake;
  if (ending == ".py" || StartsWith(name, "wscript")) return Language::kPython;
  if (ending == ".sh" || ending == ".bash" || name == "configure") return Language::kShell;
  if (name == "meson.build" || name == "meson_options.txt") return Language::kMeson;
  if (StartsWith(name, "Kconfig") || name == "Config.in" || name == "Config.src")
    return Language::kKconfig;
  if (ending == ".json") return Language::kJson;
  for (std::string_view ini : {".conf", ".service", ".socket", ".timer", ".target", ".mount",
                               ".network", ".ini", ".cnf", ".cf", ".cfg", ".desktop"})
    if (ending == ini) return Language::kIni;
  if (ending == ".in") return LanguageOf(path.substr(0, path.size() - 3));
  return Language::kNone;
}

std::vector<Definition> Definitions(const std::string& path, const Lines& lines) {
  Language language = LanguageOf(path);
  if (language == Language::kNone) return {};
  if (language != Language::kC) return DefinitionsByLine(language, lines);
  std::vector<Definition> found = DefinitionsOfC(path, lines);
  // busybox keeps configuration in comments of C files.
  for (Definition& symbol : DefinitionsByLine(Language::kKconfig, lines))
    found.push_back(std::move(symbol));
  std::stable_sort(found.begin(), found.end(),
                   [](const Definition& a, const Definition& b) { return a.line < b.line; });
  return found;
}

}  // namespace restack
