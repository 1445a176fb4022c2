// SPDX-License-Identifier: GPL-2.0-or-later
// The lab's scenarios by name. Each is one or more GoogleTest cases of the program that runs on the
// node (on_node/).
#pragma once

#include <string>
#include <vector>

namespace stx {

struct Scenario {
  std::string name;   ///< for --scenario
  std::string shows;  ///< what a StarlingX tester would see, in a line
  std::string cases;  ///< --gtest_filter of the node's program
  bool pair = false;  ///< on two nodes, as a Standard system has; else on one, as AIO-SX
  std::string patches =
      {};              ///< the WRO patches without which it must fail: "9", "2 10"; empty: none
  bool quick = false;  ///< one of those that scripts/check runs
  bool kata = false;   ///< needs a Kata release on the node
};

/// In the order in which they are run.
const std::vector<Scenario>& AllScenarios();

}  // namespace stx
