// SPDX-License-Identifier: GPL-2.0-or-later
// One life of a QEMU process that runs no guest code: from fork over QMP's greeting and the first
// reply to `quit` and the end. What it cost is looked at from outside.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "bench/callgrind.h"
#include "bench/footprint.h"
#include "kata/tiny_pod.h"

namespace stx {

/// A binary that is measured.
struct Binary {
  std::string name;
  std::filesystem::path path;
  std::vector<std::string> environment;  ///< NAME=value, added to it
};

/// How a QEMU is started.
enum class Line {
  kPod,      ///< Kata's command line of a q35 pod, with a bzImage, and -S
  kNone,     ///< -machine none, as libvirt starts it to ask what it can do
  kVersion,  ///< --version: starts nothing
};

/// A pod that runs no guest code. It may be started by another thread than the one that has made
/// it, and then ends with that thread.
class PausedPod {
 public:
  /// `guest` is build/guest, an absolute path: vmlinuz, root.img. Starts nothing.
  PausedPod(const Binary& binary, const std::filesystem::path& guest);
  /// Returns when QEMU has answered the first request.
  void Start();
  pid_t pid() { return pod_->qemu().process().pid(); }

 private:
  std::unique_ptr<TinyPod> pod_;
  CommandLine command_;
};

/// Starts QEMUs; for pods it keeps a tap and vhost-user back-ends that answer.
class Lives {
 public:
  /// `guest` as for PausedPod.
  explicit Lives(std::filesystem::path guest) : guest_(std::move(guest)) {}

  struct Life {
    double greeting_ms = 0, reply_ms = 0, end_ms = 0;  ///< from fork; of kVersion the end alone
    double cpu_ms = 0;                                 ///< user and system, of all threads
    double faults = 0;                                 ///< page faults without I/O
    Footprint footprint;                               ///< at the first reply; not of kVersion
  };
  Life Live(const Binary& binary, Line line);

  /// Whether valgrind is here, which CountInstructions needs.
  static bool HasValgrind();
  /// Instructions in user space from exec to the end, under callgrind.
  CallgrindProfile CountInstructions(const Binary& binary, Line line);
  /// System calls from exec to the end.
  double CountSyscalls(const Binary& binary, Line line);

 private:
  /// `under`: the program, with its arguments, that is to run the binary.
  Life Run(const Binary& binary, Line line, const std::vector<std::string>& under);

  std::filesystem::path guest_;
};

}  // namespace stx
