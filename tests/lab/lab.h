// SPDX-License-Identifier: GPL-2.0-or-later
// Nodes and what runs on them: boots what a scenario needs, once, and runs its cases there.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lab/node.h"
#include "lab/scenario.h"

namespace stx {

/// Whose QEMU the nodes' guests run on.
enum class NodeQemu {
  kPackages,  ///< of build/deb, installed over Debian's
  kBuild,     ///< build/host and build/kata in the place of Debian's binary
  kDebian,
};

struct LabOptions {
  std::filesystem::path build;
  NodeQemu qemu = NodeQemu::kPackages;
  bool kata = false;  ///< the nodes have a Kata release, too
};

struct ScenarioOutcome {
  bool passed = false;
  /// It shows nothing: the node did not come up or did not answer to the end, or its program
  /// crashed or ran no case.
  bool inconclusive = false;
  std::vector<std::string> skipped;  ///< reasons
  std::vector<std::string> facts;    ///< what its cases saw and measured
  std::string text;                  ///< of the cases that failed, and where the rest is
  Milliseconds took{0};
};

class Lab {
 public:
  explicit Lab(const LabOptions& options);

  /// Boots what is not up yet. A node that does not come up, or stops answering, is in the outcome
  /// with its diagnosis; the next scenario gets new nodes.
  ScenarioOutcome Run(const Scenario& scenario);
  /// The node of AIO-SX, or the first of two; throws when it does not come up.
  Node& NodeFor(const Scenario& scenario);

 private:
  void MakePayload();
  NodeSettings Settings() const;
  void Boot(bool pair);
  void DropNodes();

  LabOptions options_;
  std::filesystem::path logs_;
  TempDir dir_{"lab"};
  std::unique_ptr<Node> alone_, first_, second_;
};

}  // namespace stx
