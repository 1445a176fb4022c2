// SPDX-License-Identifier: GPL-2.0-or-later
// Nodes and what runs on them: boots the nodes that a scenario needs, once, and runs its cases
// there.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lab/node.h"
#include "lab/scenario.h"

namespace stx {

/// The QEMU on which the nodes' guests run.
enum class NodeQemu {
  kPackages,  ///< from build/deb, installed over Debian's
  kBuild,     ///< build/host and build/kata in place of Debian's binary
  kDebian,
};

struct LabOptions {
  std::filesystem::path build;
  NodeQemu qemu = NodeQemu::kPackages;
  bool kata = false;  ///< the nodes also have a Kata release
  /// The folder with the programs of Kubernetes that the nodes also have; empty for none.
  std::filesystem::path kubernetes = {};
};

struct ScenarioOutcome {
  bool passed = false;
  /// The result shows nothing: the node did not come up or stopped answering, or its program
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

  /// Boots the nodes that are not up yet. If a node does not come up or stops answering, the
  /// outcome has its diagnosis, and the next scenario gets new nodes.
  ScenarioOutcome Run(const Scenario& scenario);
  /// The node of AIO-SX, or the first of two. Throws if it does not come up.
  Node& NodeFor(const Scenario& scenario);

 private:
  void MakePayload();
  NodeSettings Settings() const;
  void Boot(const Scenario& scenario);
  void DropNodes();
  RunResult RunCases(Node& node, const Scenario& scenario);
  /// Runs a scenario of Kata that failed once more while containerd, the shim and the agent write
  /// all that they can to the journal, the guest's console included.
  void RunAgainForTheJournal(Node& node, const Scenario& scenario);

  LabOptions options_;
  std::filesystem::path logs_;
  TempDir dir_{"lab"};
  std::unique_ptr<Node> alone_, first_, second_;
};

}  // namespace stx
