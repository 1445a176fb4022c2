// SPDX-License-Identifier: GPL-2.0-or-later
// The variants of a pod's command line (contract 1.2) as data: one entry per variant, with the
// options that Kata's setting changes and the expected result.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "harness/qemu/qmp.h"
#include "kata/command_line.h"

namespace stx {

/// A property that shows that the setting took effect. `path` is an id below /machine/peripheral, a
/// QOM path, or a type, which stands for the only device of that type without an id.
struct Shows {
  std::string path, property;
  json value;
};

struct KataVariant {
  std::string name;  ///< of the test case
  std::string row;   ///< in tests/contract.txt
  std::vector<CommandEdit> edits;
  /// QEMU's message on stderr when it refuses to start. If empty, it starts and the kernel is
  /// reached.
  std::string refused = {};
  /// Parts of the lines on stderr when it starts, one per line. Nothing else may be printed.
  std::vector<std::string> complaints = {};
  std::vector<Shows> shows = {};
  /// Further rows for which it answers.
  std::vector<std::string> also = {};
  /// Queue pairs of the tap.
  int queues = 1;
};

std::vector<KataVariant> ListVariants();

/// For GoogleTest.
inline void PrintTo(const KataVariant& variant, std::ostream* out) { *out << variant.name; }

}  // namespace stx
