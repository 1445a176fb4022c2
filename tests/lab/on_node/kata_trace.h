// SPDX-License-Identifier: GPL-2.0-or-later
// What Kata's shim does with QEMU, recorded: the command line, the descriptors that it hands over,
// and each QMP command.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/os.h"
#include "lab/on_node/kata_configuration.h"

namespace stx {

class KataTrace {
 public:
  /// A pod that obeys Flags() runs on the node's qemu-system-x86_64, whose trace of QMP is in a log
  /// of ours. `keys`: what else its configuration has.
  explicit KataTrace(std::vector<KataKey> keys = {});
  std::vector<std::string> Flags() const { return configuration_.Flags(); }

  /// "-name value" or "-name", in the shim's order, without what this recording adds.
  std::vector<std::string> Options() const;
  /// The target of each descriptor that QEMU inherits, from 3 on: "/dev/vhost-net".
  std::vector<std::string> Descriptors() const;
  /// The QMP commands, in their order.
  std::vector<nlohmann::json> Commands() const;

 private:
  TempDir dir_{"kata-trace"};
  KataConfiguration configuration_;
};

}  // namespace stx
