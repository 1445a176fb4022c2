// SPDX-License-Identifier: GPL-2.0-or-later
// The lab's scenarios, from scenarios.txt, which `scripts/lab --list` reads as well. Each one is
// one or more GoogleTest cases of the program that runs on the node (on_node/).
#pragma once

#include <string>
#include <vector>

namespace stx {

struct Scenario {
  std::string name;           ///< for --scenario
  std::string shows;          ///< what a StarlingX tester would see, in one line
  std::string cases;          ///< the --gtest_filter of the node's program
  bool pair = false;          ///< on two nodes, like a Standard system; otherwise on one, like
                              ///< AIO-SX
  std::string patches = {};   ///< the WRO patch without which it must fail; empty for none
  bool quick = false;         ///< scripts/check runs it
  bool kata = false;          ///< needs a Kata release on the node
  bool kubernetes = false;    ///< needs Kubernetes beside it
  bool both_cgroups = false;  ///< runs on a node with cgroup v2, and again on one with v1
  bool cgroup_v1 = false;     ///< is that second run; never set in scenarios.txt
};

/// Returns `scenarios`, followed by the second runs on cgroup v1, named NAME-v1, of those that have
/// one.
std::vector<Scenario> WithCgroupV1(std::vector<Scenario> scenarios);

/// Throws std::runtime_error with the number of a line that it cannot parse.
std::vector<Scenario> ParseScenarios(const std::string& text);
/// The scenarios of scenarios.txt, in the order in which they run.
const std::vector<Scenario>& AllScenarios();

/// Compares the scenarios with the program's cases, as --gtest_list_tests prints them. Returns one
/// message for each case that no scenario or more than one scenario names, and for each scenario
/// without a case.
std::vector<std::string> Mismatches(const std::vector<Scenario>& scenarios,
                                    const std::string& listed);

}  // namespace stx
