// SPDX-License-Identifier: GPL-2.0-or-later
// lab runs the scenarios of StarlingX on nodes of its own. scripts/lab builds what it needs and
// calls it.
#include <algorithm>
#include <cstdio>

#include "base/arguments.h"
#include "base/lab_help.h"
#include "base/process.h"
#include "guest/terminal.h"
#include "lab/lab.h"
#include "runner/junit.h"

namespace stx {
namespace {

std::string Seconds(Milliseconds time) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.1f s", static_cast<double>(time.count()) / 1000);
  return text;
}

/// True if the scenario went as it must on this QEMU.
bool Report(const Scenario& scenario, const ScenarioOutcome& outcome, bool patched) {
  const bool expected = patched || scenario.patches.empty() || outcome.inconclusive;
  const bool good = outcome.passed == expected && !outcome.inconclusive;
  std::string line = scenario.name + ": ";
  line += outcome.passed
              ? (expected ? "ok" : "PASSES WITHOUT WRO " + scenario.patches)
              : (expected ? "FAILED" : "fails, as it must without WRO " + scenario.patches);
  std::printf("%s, %s\n", line.c_str(), Seconds(outcome.took).c_str());
  // If a case had to fail, what it saw before it failed is of no interest.
  if (outcome.passed || expected)
    for (const std::string& fact : outcome.facts) std::printf("    %s\n", fact.c_str());
  for (const std::string& reason : outcome.skipped) std::printf("    skipped: %s", reason.c_str());
  if (!outcome.passed) std::printf("%s", outcome.text.c_str());
  std::fflush(stdout);
  return good;
}

/// For a CI system. If a case was skipped, its scenario counts as skipped.
CaseResult ResultOf(const Scenario& scenario, const ScenarioOutcome& outcome, bool good) {
  CaseResult result{.name = "lab." + scenario.name, .verdict = Verdict::kPassed, .text = ""};
  result.took = outcome.took;
  if (!good) {
    result.verdict = Verdict::kFailed;
    result.text = outcome.passed ? "it passes without WRO " + scenario.patches : outcome.text;
  } else if (outcome.passed && !outcome.skipped.empty()) {
    result.verdict = Verdict::kSkipped;
    for (const std::string& reason : outcome.skipped) result.text += reason;
  }
  return result;
}

NodeQemu QemuOf(const std::string& name) {
  return name == "build"    ? NodeQemu::kBuild
         : name == "debian" ? NodeQemu::kDebian
                            : NodeQemu::kPackages;
}

int RunLab(const Arguments& arguments) {
  LabOptions options;
  options.build = arguments.Value("--build");
  options.qemu = QemuOf(arguments.Value("--qemu"));
  options.kata = arguments.Has("--kata");
  if (arguments.Has("--kubernetes")) options.kubernetes = arguments.Value("--kubernetes");
  const bool kubernetes = !options.kubernetes.empty();
  const std::vector<std::string>& names = arguments.Values("--scenario");
  std::vector<Scenario> chosen;
  for (const Scenario& scenario : AllScenarios())
    if ((names.empty() && scenario.kata == options.kata && scenario.kubernetes == kubernetes) ||
        std::find(names.begin(), names.end(), scenario.name) != names.end())
      chosen.push_back(scenario);
  for (const std::string& name : names)
    if (std::none_of(chosen.begin(), chosen.end(),
                     [&](const Scenario& s) { return s.name == name; }))
      throw BadInput("there is no scenario " + name + " (--list names them)");
  for (const Scenario& scenario : chosen)
    if (scenario.kata && !options.kata)
      throw BadInput(scenario.name + " needs a Kata release: --kata TARBALL");
  for (const Scenario& scenario : chosen)
    if (scenario.kubernetes && !kubernetes)
      throw BadInput(scenario.name + " needs the programs of Kubernetes: --kubernetes DIR");
  const RunResult listed = stx::Run(
      {options.build / "tests/tests/lab/scenarios", "--gtest_list_tests"}, Milliseconds(20000));
  if (!listed.status.Success()) throw std::runtime_error("scenarios: " + listed.err);
  for (const std::string& wrong : Mismatches(AllScenarios(), listed.out))
    throw std::runtime_error(wrong);

  Lab lab(options);
  if (arguments.Has("--shell")) {
    JoinConsole(lab.NodeFor(chosen.front()).console());
    return 0;
  }
  SuiteResult report{"lab", {}};
  const auto start = Clock::now();
  int passed = 0, failed = 0, skipped = 0;
  for (const Scenario& scenario : WithCgroupV1(chosen)) {
    const ScenarioOutcome outcome = lab.Run(scenario);
    const bool good = Report(scenario, outcome, options.qemu != NodeQemu::kDebian);
    ++(good ? passed : failed);
    report.result.cases.push_back(ResultOf(scenario, outcome, good));
    skipped += static_cast<int>(outcome.skipped.size());
  }
  std::printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
  std::printf("in %s\n",
              Seconds(std::chrono::duration_cast<Milliseconds>(Clock::now() - start)).c_str());
  report.result.took = std::chrono::duration_cast<Milliseconds>(Clock::now() - start);
  if (arguments.Has("--junit")) WriteJunit(arguments.Value("--junit"), {report});
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace stx

int main(int argc, char** argv) {
  return stx::RunVerb("lab", kHelp, "  --build FOLDER   (required)\n", argc, argv, stx::RunLab);
}
