// SPDX-License-Identifier: GPL-2.0-or-later
#include "restack/maps.h"

#include <algorithm>
// Debian's library is built with exceptions; as headers alone it has none.
#undef TOML_HEADER_ONLY
#undef TOML_SHARED_LIB
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

namespace restack {

Result<Maps> ParseMaps(std::string_view text, const std::string& name) {
  toml::parse_result parsed = toml::parse(text);
  if (!parsed)
    return Error{name + ":" + std::to_string(parsed.error().source().begin.line) + ": " +
                 std::string(parsed.error().description())};
  Maps maps;
  for (const auto& [section, node] : parsed.table()) {
    const toml::table* table = node.as_table();
    bool files = section == "files";
    if (!table || (!files && section != "functions"))
      return Error{name + ":" + std::to_string(node.source().begin.line) + ": \"" +
                   std::string(section) + "\": a map has the tables [files] and [functions]"};
    for (const auto& [key, value] : *table) {
      auto to = value.value<std::string>();
      std::string from(key);
      size_t colon = from.rfind(':');
      if (!to || (!files && colon == std::string::npos))
        return Error{name + ":" + std::to_string(value.source().begin.line) + ": an entry of [" +
                     std::string(section) +
                     (files ? "] is \"old path\" = \"new path\""
                            : "] is \"old path:function\" = \"new path\"")};
      if (files)
        maps.files.push_back({from, *to, "given"});
      else
        maps.functions.push_back({from.substr(colon + 1), from.substr(0, colon), *to});
    }
  }
  return maps;
}

namespace {
std::string Quoted(std::string_view text) {
  std::string result = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + "\"";
}
}  // namespace

std::string PrintMaps(const Maps& given, const SeriesVerdict& found) {
  std::string text =
      "# Where the files and functions that the series touches went. Edit it: what is here is "
      "believed.\n";
  text += "\n[files]\n";
  for (const FileMapping& file : given.files)
    text += Quoted(file.from) + " = " + Quoted(file.to) + "\n";
  for (const FileMapping& file : found.files) {
    if (file.evidence == "given") continue;
    // Commented out: it is found again in each run, and used only if a person removes the #.
    text += "# " + Quoted(file.from) + " = " + Quoted(file.to) + "  # " + file.evidence + "\n";
  }
  text += "\n[functions]\n";
  auto key = [](const FunctionMapping& function) {
    return Quoted(function.from + ":" + function.function);
  };
  for (const FunctionMapping& function : given.functions)
    text += key(function) + " = " + Quoted(function.to) + "\n";
  for (const FunctionMapping& function : found.functions)
    if (std::none_of(given.functions.begin(), given.functions.end(),
                     [&](const FunctionMapping& other) {
                       return other.function == function.function && other.from == function.from;
                     }))
      text += "# " + key(function) + " = " + Quoted(function.to) + "\n";
  return text;
}

}  // namespace restack
