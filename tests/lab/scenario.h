// SPDX-License-Identifier: GPL-2.0-or-later
// The lab's scenarios: scenarios.txt, which `scripts/lab --list` reads as well. Each is one or more
// GoogleTest cases of the program that runs on the node (on_node/).
#pragma once

#include <string>
#include <vector>

namespace stx {

struct Scenario {
  std::string name;          ///< for --scenario
  std::string shows;         ///< what a StarlingX tester would see, in a line
  std::string cases;         ///< --gtest_filter of the node's program
  bool pair = false;         ///< on two nodes, as a Standard system has; else on one, as AIO-SX
  std::string patches = {};  ///< the WRO patch without which it must fail; empty: none
  bool quick = false;        ///< one of those that scripts/check runs
  bool kata = false;         ///< needs a Kata release on the node
};

/// Throws std::runtime_error that names the line which is none of scenarios.txt.
std::vector<Scenario> ParseScenarios(const std::string& text);
/// Those of scenarios.txt, in the order in which they run.
const std::vector<Scenario>& AllScenarios();

/// What is wrong between the scenarios and the program's cases, as --gtest_list_tests prints them:
/// a case that no scenario names or that two name, and a scenario without a case; a message each.
std::vector<std::string> Mismatches(const std::vector<Scenario>& scenarios,
                                    const std::string& listed);

}  // namespace stx
