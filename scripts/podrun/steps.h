// SPDX-License-Identifier: GPL-2.0-or-later
// The steps of podrun.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "kata/pod.h"

namespace stx {

/// Prints the result of each step at once, one line per step.
class Steps {
 public:
  void PrintFact(const std::string& name, const std::string& value);
  /// Runs `step`, which returns what was seen or throws why it failed. Returns true if it
  /// succeeded.
  bool Do(const std::string& name, const std::function<std::string()>& step);
  /// For a step that this host or this machine type cannot perform.
  void NotHere(const std::string& name, const std::string& what_is_missing);

  bool all_ok() const { return failed_ == 0; }
  /// "14 ok, 0 failed, 1 not here".
  std::string Total() const;

 private:
  int ok_ = 0, failed_ = 0, not_here_ = 0;
};

/// Throws `otherwise` unless `right` is true.
void Expect(bool right, const std::string& otherwise);
/// "3 WHAT".
std::string Count(size_t n, const std::string& what);
/// Sends IPv6 over `tap`, on which the guest has the NIC `mac`, in the subnet with that number and
/// with packets of up to `mtu` bytes. Returns what was seen.
std::string SpeakOver(GuestAgent& guest, const Tap& tap, const std::string& mac, int mtu,
                      int subnet);

struct PodrunOptions {
  std::filesystem::path block;  ///< empty for a loop device
  std::string aio = "io_uring";
  std::vector<std::string> vfio;  ///< functions to hot-plug
  unsigned virtio_mem_mib = 0;    ///< 0 for none
  bool shell = false;             ///< for BootPod: run a shell in the guest before its end
};

/// One pod that boots and powers itself off.
void BootPod(const PodSettings& settings, const PodrunOptions& options, Steps* steps);
/// One pod, with all operations of the shim.
void RunPod(const PodSettings& settings, const PodrunOptions& options, Steps* steps);
/// A template, and `clones` clones that run at the same time.
void RunTemplate(const PodSettings& settings, unsigned clones, Steps* steps);
/// `count` pods, `at_once` at a time: started, queried, stopped.
void RunMany(const PodSettings& settings, unsigned count, unsigned at_once, Steps* steps);

}  // namespace stx
