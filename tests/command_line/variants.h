// SPDX-License-Identifier: GPL-2.0-or-later
// The variants of a pod's command line (contract 1.2), declared: a stanza a variant, with what
// Kata's setting changes and what must come of it.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "harness/qemu/qmp.h"
#include "kata/command_line.h"

namespace stx {

/// A property that shows that the setting arrived. `path` is an id below /machine/peripheral,
/// a QOM path, or a type for the one device of that type without an id.
struct Shows {
  std::string path, property;
  json value;
};

struct KataVariant {
  std::string name;  ///< of the test case
  std::string row;   ///< of tests/contract.txt
  std::vector<CommandEdit> edits;
  /// What QEMU says on stderr as it refuses to start; empty: it starts, and the kernel is reached.
  std::string refused = {};
  /// What stderr says, a part a line, when it starts; nothing else may be there.
  std::vector<std::string> complaints = {};
  std::vector<Shows> shows = {};
  /// Further rows that it answers for.
  std::vector<std::string> also = {};
  /// Queue pairs of the tap.
  int queues = 1;
};

std::vector<KataVariant> ListVariants();

/// For GoogleTest.
inline void PrintTo(const KataVariant& variant, std::ostream* out) { *out << variant.name; }

}  // namespace stx
