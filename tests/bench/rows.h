// SPDX-License-Identifier: GPL-2.0-or-later
// The rows of the table, in groups that can be measured alone.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "bench/life.h"
#include "bench/results.h"
#include "kata/pod.h"

namespace stx {

struct Plan {
  std::vector<Binary> binaries;
  std::filesystem::path build;  ///< absolute
  int rounds = 0;               ///< of what is a time; 0: as many as the group thinks right
};

/// One group of rows: its name, and what adds them.
struct RowGroup {
  const char* name;
  void (*measure)(const Plan& plan, Results* results);
};

/// From fork to QMP's first reply and to the end, for the lines of life.h.
void MeasureStart(const Plan& plan, Results* results);

/// From fork to the user space of our guest, and what was spent in firmware, kernel, user space.
void MeasureGuest(const Plan& plan, Results* results);
/// What Kata adds to a running pod, until the guest can use it; and the pod's end.
void MeasureHotplug(const Plan& plan, Results* results);
/// Many pods at once.
void MeasurePods(const Plan& plan, Results* results);
/// What libvirt asks of a binary before it starts the first guest.
void MeasureLibvirt(const Plan& plan, Results* results);

/// A pod of the plan with `binary`, of Kata's size, with our guest.
PodSettings MakePodSettings(const Plan& plan, const Binary& binary);

/// Calls `round` for each binary in turn, `rounds` times; every other round backwards, so that no
/// binary always follows the same one.
void Interleave(const std::vector<Binary>& binaries, int rounds,
                const std::function<void(const Binary&)>& round);

}  // namespace stx
