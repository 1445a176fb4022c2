// SPDX-License-Identifier: GPL-2.0-or-later
// restack: moves a quilt series to another base and reports the result for every hunk.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "commands.h"
#include "help.h"

int main(int argc, char** argv) try {
  using namespace restack::cli;
  CLI::App app;
  app.require_subcommand(1);
  Context context;
  app.add_option("--series", context.series);
  app.add_option("--packages", context.packages);
  app.add_option("--cache", context.cache);
  app.add_flag("--json", context.json);
  app.add_flag("--quiet", context.quiet);
  app.set_version_flag("--version", "restack " RESTACK_VERSION);
  app.fallthrough();
  int exit = kClean;
  for (auto add : {AddStatus, AddRebase, AddContinue, AddUndo, AddCheck, AddCompare, AddMatrix,
                   AddGraph, AddImport, AddExport, AddReport})
    add(app, context, exit);
  SetHelp(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kClean : kBadInput;
  }
  return exit;
} catch (const std::exception& error) {
  std::fprintf(stderr, "restack: %s\n", error.what());
  return 2;
}
