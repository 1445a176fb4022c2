// SPDX-License-Identifier: GPL-2.0-or-later
// lab: runs the scenarios of StarlingX on nodes of its own. scripts/lab builds what it needs and
// calls it.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "guest/terminal.h"
#include "lab/lab.h"

namespace stx {
namespace {

std::string Seconds(Milliseconds time) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.1f s", static_cast<double>(time.count()) / 1000);
  return text;
}

int List() {
  for (const Scenario& scenario : AllScenarios())
    std::printf("%-18s %s%s%s%s\n", scenario.name.c_str(), scenario.shows.c_str(),
                scenario.pair ? " (two nodes)" : "", scenario.kata ? " (with --kata)" : "",
                scenario.patches.empty() ? "" : (" [WRO " + scenario.patches + "]").c_str());
  return 0;
}

/// True when the scenario went as it must on this QEMU.
bool Report(const Scenario& scenario, const ScenarioOutcome& outcome, bool patched) {
  const bool expected = patched || scenario.patches.empty();
  const bool good = outcome.passed == expected;
  std::string line = scenario.name + ": ";
  line += outcome.passed
              ? (expected ? "ok" : "PASSES WITHOUT WRO " + scenario.patches)
              : (expected ? "FAILED" : "fails, as it must without WRO " + scenario.patches);
  std::printf("%s, %s\n", line.c_str(), Seconds(outcome.took).c_str());
  // What a case that failed saw before is of no use where it had to fail.
  if (outcome.passed || expected)
    for (const std::string& fact : outcome.facts) std::printf("    %s\n", fact.c_str());
  for (const std::string& reason : outcome.skipped) std::printf("    skipped: %s", reason.c_str());
  if (!outcome.passed) std::printf("%s", outcome.text.c_str());
  std::fflush(stdout);
  return good;
}

int Main(int argc, char** argv) {
  CLI::App app{
      "Runs StarlingX's test scenarios on compute nodes in virtual machines of their own."};
  LabOptions options;
  std::vector<std::string> names;
  std::string release, sum;
  std::map<std::string, NodeQemu> qemus{{"packages", NodeQemu::kPackages},
                                        {"build", NodeQemu::kBuild},
                                        {"debian", NodeQemu::kDebian}};
  bool list = false, shell = false;
  app.add_option("--scenario", names, "Only this one; may be given more than once");
  app.add_flag("--list", list, "Names all scenarios");
  app.add_option("--qemu", options.qemu,
                 "What the nodes' guests run on: our packages, our builds in their place, or "
                 "Debian's packages")
      ->transform(CLI::Transformer(qemus))
      ->default_str("packages");
  app.add_flag("--shell", shell,
               "A terminal on the node of the scenario instead of a run; Ctrl-] ends it");
  CLI::Option* kata = app.add_option("--kata", release,
                                     "Upstream's tarball of Kata Containers: installs it on the "
                                     "nodes and runs the kata scenarios");
  app.add_option("--sha256", sum, "The tarball's sum, when it is not the pinned release")
      ->needs(kata);
  app.add_option("--build", options.build, "Where scripts/lab built everything")
      ->required()
      ->group("");
  CLI11_PARSE(app, argc, argv);
  if (list) return List();

  options.kata = !release.empty();
  if (options.kata && options.qemu == NodeQemu::kDebian)
    throw std::runtime_error(
        "--kata goes with our QEMU (--qemu packages or build): its configuration names it");

  std::vector<Scenario> chosen;
  for (const Scenario& scenario : AllScenarios())
    if ((names.empty() && scenario.kata == options.kata) ||
        std::find(names.begin(), names.end(), scenario.name) != names.end())
      chosen.push_back(scenario);
  for (const std::string& name : names)
    if (std::none_of(chosen.begin(), chosen.end(),
                     [&](const Scenario& s) { return s.name == name; }))
      throw std::runtime_error("there is no scenario " + name + " (--list names them)");
  for (const Scenario& scenario : chosen)
    if (scenario.kata && !options.kata)
      throw std::runtime_error(scenario.name + " needs a Kata release: --kata TARBALL");

  Lab lab(options);
  if (shell) {
    JoinConsole(lab.NodeFor(chosen.front()).console());
    return 0;
  }
  const auto start = Clock::now();
  int passed = 0, failed = 0, skipped = 0;
  for (const Scenario& scenario : chosen) {
    const ScenarioOutcome outcome = lab.Run(scenario);
    ++(Report(scenario, outcome, options.qemu != NodeQemu::kDebian) ? passed : failed);
    skipped += static_cast<int>(outcome.skipped.size());
  }
  std::printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
  std::printf("in %s\n",
              Seconds(std::chrono::duration_cast<Milliseconds>(Clock::now() - start)).c_str());
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace stx

int main(int argc, char** argv) try {
  return stx::Main(argc, argv);
} catch (const std::exception& error) {
  std::fprintf(stderr, "lab: %s\n", error.what());
  return 1;
}
