// SPDX-License-Identifier: GPL-2.0-or-later
// Verdicts as text.
#pragma once

#include <string>

#include "restack/verdict.h"

namespace restack::cli {

enum class Detail {
  kOpen,     ///< only patches that need a person, and the sum
  kPatches,  ///< a line for each patch, and a paragraph for each hunk that needs a person
  kAll,      ///< a line for every hunk
};
std::string ToText(const SeriesVerdict& verdict, Detail detail, bool colour);

}  // namespace restack::cli
