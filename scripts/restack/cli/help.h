// SPDX-License-Identifier: GPL-2.0-or-later
// What --help prints: the sections of scripts/help/restack, which the script answers from as well.
#pragma once

#include <CLI/CLI.hpp>

namespace restack::cli {

/// Makes --help of `app` and of its commands print their sections. Throws std::logic_error when a
/// command or an option is not in that file: it is the list that users and the script go by.
void SetHelp(CLI::App& app);

}  // namespace restack::cli
