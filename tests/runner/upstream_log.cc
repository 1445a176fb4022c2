// SPDX-License-Identifier: GPL-2.0-or-later
#include "runner/upstream_log.h"

#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>

#include "base/os.h"

namespace stx {
namespace {

void ReadTap(const std::string& program, const std::string& output, UpstreamResults* results) {
  static const std::regex line_form("(not )?ok ([0-9]+ )?(- )?([^#]*?) *(# *SKIP.*)?",
                                    std::regex::icase);
  std::istringstream in(output);
  std::smatch match;
  for (std::string line; std::getline(in, line);)
    if (std::regex_match(line, match, line_form))
      (*results)[program + ": " + match[4].str()] = match[1].matched   ? "FAIL"
                                                    : match[5].matched ? "SKIP"
                                                                       : "OK";
}

}  // namespace

UpstreamResults ReadUpstreamLog(const std::filesystem::path& path) {
  UpstreamResults results;
  std::istringstream in(ReadFile(path));
  for (std::string line; std::getline(in, line);) {
    const auto test = nlohmann::json::parse(line);
    std::string name = test["name"];
    name.erase(0, name.find(" / ") == std::string::npos ? 0 : name.find(" / ") + 3);
    results[name] = test["result"];
    ReadTap(name, test.value("stdout", ""), &results);
  }
  return results;
}

std::string Counts(const UpstreamResults& results) {
  std::map<std::string, int> counts;
  for (const auto& [name, result] : results) ++counts[result];
  std::string text;
  for (const auto& [result, count] : counts)
    text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + result;
  return text;
}

std::vector<UpstreamDifference> Compare(const UpstreamResults& plain, const UpstreamResults& ours) {
  const auto of = [](const UpstreamResults& results, const std::string& name) {
    const auto found = results.find(name);
    return found == results.end() ? "not run" : found->second;
  };
  std::set<std::string> names;
  for (const UpstreamResults* results : {&plain, &ours})
    for (const auto& [name, result] : *results) names.insert(name);
  std::vector<UpstreamDifference> differences;
  for (const std::string& name : names)
    if (of(plain, name) != of(ours, name))
      differences.push_back({name, of(plain, name), of(ours, name)});
  return differences;
}

}  // namespace stx
