// SPDX-License-Identifier: GPL-2.0-or-later
// The commands. Each adds itself to the command line and sets `exit` when it runs.
#pragma once

#include <CLI/CLI.hpp>

#include "context.h"

namespace restack::cli {

void AddStatus(CLI::App& app, Context& context, int& exit);
void AddRebase(CLI::App& app, Context& context, int& exit);
void AddContinue(CLI::App& app, Context& context, int& exit);
void AddUndo(CLI::App& app, Context& context, int& exit);
void AddCheck(CLI::App& app, Context& context, int& exit);
void AddCompare(CLI::App& app, Context& context, int& exit);
void AddMatrix(CLI::App& app, Context& context, int& exit);
void AddGraph(CLI::App& app, Context& context, int& exit);
void AddImport(CLI::App& app, Context& context, int& exit);
void AddExport(CLI::App& app, Context& context, int& exit);
void AddReport(CLI::App& app, Context& context, int& exit);

}  // namespace restack::cli
