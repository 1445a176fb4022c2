// SPDX-License-Identifier: GPL-2.0-or-later
// restack: moves a quilt series to another base and says what became of every hunk.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "commands.h"

int main(int argc, char** argv) try {
  using namespace restack::cli;
  CLI::App app{
      "Moves a quilt series to another base and says what became of every hunk.\n"
      "A base is NAME=VERSION of a source package (\"qemu=10.0\"; \"/orig\" without Debian's "
      "patches, \"@PATCH\" up to\n"
      "that one of them), a folder, a tarball, or git:REPOSITORY:REVISION.\n"
      "Exit codes: 0 clean, 1 a person is needed, 2 bad input."};
  app.require_subcommand(1);
  Context context;
  app.add_option("--series", context.series, "Folder of the series, or debian:NAME=VERSION")
      ->capture_default_str();
  app.add_option("--packages", context.packages, "Folder of source packages as apt fetches them")
      ->capture_default_str();
  app.add_option("--cache", context.cache, "Trees read from them; may be deleted")
      ->capture_default_str();
  app.add_flag("--json", context.json, "The answer as JSON");
  app.fallthrough();
  int exit = kClean;
  for (auto add : {AddStatus, AddRebase, AddContinue, AddUndo, AddCheck, AddCompare, AddMatrix,
                   AddGraph, AddImport, AddExport, AddReport})
    add(app, context, exit);
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
