// SPDX-License-Identifier: GPL-2.0-or-later
// prove checks for every patch of the series that the cases named in its header fail on the base
// and pass on ours. scripts/prove builds what it needs and calls it.
#include <algorithm>
#include <cstdio>
#include <set>
#include <sstream>

#include "base/arguments.h"
#include "base/process.h"
#include "base/prove_help.h"
#include "runner/junit.h"
#include "runner/programs.h"
#include "runner/proof.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

/// The files that differ between the revision and the work tree.
std::set<std::string> ChangedSince(const fs::path& root, const std::string& revision) {
  const RunResult diff =
      Run({"git", "-C", root, "diff", "--name-only", revision, "--"}, Milliseconds(60000));
  if (!diff.status.Success()) throw BadInput("--changed " + revision + ": git says: " + diff.err);
  std::set<std::string> files;
  std::istringstream in(diff.out);
  for (std::string file; std::getline(in, file);) files.insert(file);
  return files;
}

std::vector<PatchClaims> Chosen(const Arguments& arguments, const fs::path& root) {
  const std::vector<PatchClaims> all = ReadClaims(root / "patches");
  const std::vector<std::string>& names = arguments.Values("PATCH");
  for (const std::string& name : names)
    if (std::none_of(all.begin(), all.end(), [&](const PatchClaims& claims) {
          return claims.patch.find(name) != std::string::npos;
        }))
      throw BadInput("patches/series names no patch with \"" + name + "\" in its name");
  std::optional<std::set<std::string>> changed;
  if (arguments.Has("--changed")) changed = ChangedSince(root, arguments.Value("--changed"));
  std::vector<PatchClaims> chosen;
  for (const PatchClaims& claims : all) {
    const bool named =
        names.empty() || std::any_of(names.begin(), names.end(), [&](const std::string& name) {
          return claims.patch.find(name) != std::string::npos;
        });
    const bool differs =
        !changed || changed->count("patches/" + claims.patch) ||
        std::any_of(claims.tests.begin(), claims.tests.end(),
                    [&](const TestClaim& test) { return changed->count(test.file) > 0; });
    if (named && differs) chosen.push_back(claims);
  }
  return chosen;
}

/// The first test() that is built from the file.
const Program& ProgramOf(const std::vector<Program>& programs, const fs::path& root,
                         const TestClaim& test) {
  for (const Program& program : programs)
    if (program.sources.count(root / test.file)) return program;
  throw BadInput(test.file + ": no test() in our meson.build files is built from it");
}

/// Prints what has to be built for these patches, for scripts/prove: "profile NAME" and "target
/// NAME".
void PrintPlan(const std::vector<PatchClaims>& chosen, const std::vector<Program>& programs,
               const fs::path& root) {
  std::set<std::string> lines;
  for (const PatchClaims& claims : chosen)
    for (const TestClaim& test : claims.tests) {
      const Program& program = ProgramOf(programs, root, test);
      lines.insert("profile " + program.profile);
      if (program.dpdk) lines.insert("profile dpdk");
      lines.insert("target " + fs::relative(program.path, root / "build/tests").string());
    }
  for (const std::string& line : lines) std::printf("%s\n", line.c_str());
}

GtestResult RunOn(const Program& program, const fs::path& build, const std::string& profile,
                  const std::string& dpdk, const std::string& filter) {
  const auto binary = [&](const std::string& name) { return build / name / "qemu-system-x86_64"; };
  std::vector<std::string> environment =
      EnvironmentOf(program, build, {binary(profile), program.dpdk ? binary(dpdk) : fs::path()});
  environment.push_back("GTEST_FILTER=" + filter);
  return RunGtest(program.path, environment, program.timeout);
}

/// Prints what one test shows for a patch, and returns the result for a report.
CaseResult Prove(const std::string& patch, const TestClaim& test, const Program& program,
                 const fs::path& build) {
  // The base has every device that our profiles have.
  const GtestResult base = RunOn(program, build, "plain", "plain", test.Filter());
  const GtestResult ours = RunOn(program, build, program.profile, "dpdk", test.Filter());
  const Proof proof = Judge(test, base, ours);
  CaseResult result{.name = fs::path(patch).replace_extension().string() + "." + test.file,
                    .verdict = proof.why_not.empty() ? Verdict::kPassed : Verdict::kFailed,
                    .text = proof.why_not};
  result.took = base.took + ours.took;
  std::printf("%s: %s (%s): %s\n", patch.c_str(), fs::path(test.file).filename().c_str(),
              program.profile.c_str(),
              proof.why_not.empty() ? (std::to_string(proof.must_fail.size()) + " of " +
                                       std::to_string(base.cases.size()) +
                                       " cases fail on the base, all pass on ours")
                                          .c_str()
                                    : ("NOT PROVEN: " + proof.why_not).c_str());
  for (const auto& [name, failure] : proof.must_fail) {
    const std::string line = "without it " + name + " fails: " + failure + "\n";
    std::printf("    %s", line.c_str());
    result.text += line;
  }
  for (const CaseResult& c : ours.cases)
    if (c.verdict == Verdict::kSkipped)
      std::printf("    skipped: %s: %s", c.name.c_str(), c.text.c_str());
  std::fflush(stdout);
  return result;
}

int RunProve(const Arguments& arguments) {
  const fs::path root = fs::weakly_canonical(arguments.Value("--root")), build = root / "build";
  const std::vector<PatchClaims> chosen = Chosen(arguments, root);
  const std::vector<Program> programs = ReadPrograms(build);
  if (arguments.Has("--plan")) {
    PrintPlan(chosen, programs, root);
    return 0;
  }
  SuiteResult report{"prove", {}};
  for (const PatchClaims& claims : chosen)
    for (const TestClaim& test : claims.tests) {
      report.result.cases.push_back(
          Prove(claims.patch, test, ProgramOf(programs, root, test), build));
      report.result.took += report.result.cases.back().took;
    }
  const int failed = report.result.Count(Verdict::kFailed);
  std::printf("%zu patches by %zu tests: %d not proven\n", chosen.size(),
              report.result.cases.size(), failed);
  if (arguments.Has("--junit")) WriteJunit(arguments.Value("--junit"), {report});
  return failed == 0 && !chosen.empty() ? 0 : 1;
}

}  // namespace
}  // namespace stx

int main(int argc, char** argv) {
  return stx::RunVerb("prove", kHelp,
                      "  --root FOLDER   (required) The repository.\n"
                      "  --plan          Print what has to be built, and run nothing.\n",
                      argc, argv, stx::RunProve);
}
