// SPDX-License-Identifier: GPL-2.0-or-later
// Runs a program and reads its output.
#pragma once

#include <string>
#include <vector>

namespace restack {

struct ProcessResult {
  int status = -1;     ///< exit code; -1: it could not be run or was killed
  std::string output;  ///< standard output and error
};

/// Waits for its end. `environment` are NAME=VALUE strings on top of ours.
ProcessResult RunProcess(const std::vector<std::string>& arguments, const std::string& folder,
                         const std::vector<std::string>& environment = {});

}  // namespace restack
