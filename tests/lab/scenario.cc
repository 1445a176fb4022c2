// SPDX-License-Identifier: GPL-2.0-or-later
#include "lab/scenario.h"

#include <fnmatch.h>

#include <set>
#include <sstream>
#include <stdexcept>

#include "lab/scenarios_text.h"

namespace stx {
namespace {

/// GoogleTest's filter syntax without negative patterns.
bool Matches(const std::string& filter, const std::string& name) {
  std::istringstream patterns(filter);
  for (std::string pattern; std::getline(patterns, pattern, ':');)
    if (fnmatch(pattern.c_str(), name.c_str(), 0) == 0) return true;
  return false;
}

/// "Suite.Case" for each case.
std::vector<std::string> Cases(const std::string& listed) {
  std::vector<std::string> cases;
  std::istringstream in(listed);
  std::string suite;
  for (std::string line; std::getline(in, line);) {
    line = line.substr(0, line.find("  # "));  // GetParam() = ...
    if (line.starts_with("  "))
      cases.push_back(suite + line.substr(2));
    else if (line.ends_with("."))
      suite = line;
  }
  return cases;
}

}  // namespace

std::vector<Scenario> ParseScenarios(const std::string& text) {
  std::vector<Scenario> scenarios;
  std::istringstream in(text);
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.empty() || line[0] == '#') continue;
    const auto refuse = [&](const std::string& why) {
      throw std::runtime_error("scenarios.txt:" + std::to_string(number) + ": " + why + ": " +
                               line);
    };
    const size_t colon = line.find(": ");
    if (colon == std::string::npos) refuse("no \": \" before what it shows");
    Scenario scenario;
    scenario.shows = line.substr(colon + 2);
    std::istringstream words(line.substr(0, colon));
    if (!(words >> scenario.name >> scenario.cases)) refuse("no name and cases");
    for (std::string word; words >> word;) {
      if (word == "quick")
        scenario.quick = true;
      else if (word == "pair")
        scenario.pair = true;
      else if (word == "kata")
        scenario.kata = true;
      else if (word == "kubernetes")
        scenario.kata = scenario.kubernetes = true;
      else if (word == "cgroups")
        scenario.both_cgroups = true;
      else if (word.starts_with("wro="))
        scenario.patches = word.substr(4);
      else
        refuse("there is no condition " + word);
    }
    scenarios.push_back(scenario);
  }
  return scenarios;
}

std::vector<Scenario> WithCgroupV1(std::vector<Scenario> scenarios) {
  const size_t count = scenarios.size();
  for (size_t i = 0; i < count; ++i) {
    if (!scenarios[i].both_cgroups) continue;
    Scenario again = scenarios[i];
    again.name += "-v1";
    again.cgroup_v1 = true;
    scenarios.push_back(again);
  }
  return scenarios;
}

const std::vector<Scenario>& AllScenarios() {
  static const std::vector<Scenario> scenarios = ParseScenarios(kScenarios);
  return scenarios;
}

std::vector<std::string> Mismatches(const std::vector<Scenario>& scenarios,
                                    const std::string& listed) {
  std::vector<std::string> wrong;
  std::set<std::string> used;
  for (const std::string& name : Cases(listed)) {
    std::string by;
    for (const Scenario& scenario : scenarios) {
      if (!Matches(scenario.cases, name)) continue;
      used.insert(scenario.name);
      if (!by.empty())
        wrong.push_back(name + ": scenarios " + by + " and " + scenario.name + " name it");
      by = scenario.name;
    }
    if (by.empty()) wrong.push_back(name + ": no scenario of tests/lab/scenarios.txt names it");
  }
  for (const Scenario& scenario : scenarios)
    if (!used.count(scenario.name))
      wrong.push_back("scenario " + scenario.name + ": no case is " + scenario.cases);
  return wrong;
}

}  // namespace stx
