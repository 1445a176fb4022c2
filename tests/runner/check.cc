// SPDX-License-Identifier: GPL-2.0-or-later
// check runs all test programs of our build and counts results. scripts/check builds what it needs
// and calls it.
#include <cstdio>

#include "base/arguments.h"
#include "base/check_help.h"
#include "base/os.h"
#include "base/process.h"
#include "runner/contract_table.h"
#include "runner/junit.h"
#include "runner/programs.h"
#include "runner/requirements.h"
#include "runner/sanitizer.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

struct Options {
  fs::path build, qemu, only, table, requirements, junit, against = "/usr/bin/qemu-system-x86_64";
  bool sanitized = false;
};

/// Runs the programs on `qemu`, or on our builds if it is empty. Prints one line for each, and
/// failures in full.
std::vector<SuiteResult> RunAll(const Options& options, const fs::path& qemu) {
  std::vector<SuiteResult> results;
  SanitizerReports reports;
  for (const Program& program : ReadPrograms(options.build)) {
    if (program.name.find(options.only.string()) == std::string::npos) continue;
    const auto binary = [&](const std::string& profile) {
      const std::string name = (options.sanitized ? "asan-" : "") + profile;
      return qemu.empty() ? options.build / name / "qemu-system-x86_64" : qemu;
    };
    const bool dpdk = program.dpdk && qemu.empty() && !options.sanitized;
    std::vector<std::string> environment = EnvironmentOf(
        program, options.build, {binary(program.profile), dpdk ? binary("dpdk") : fs::path()});
    if (options.sanitized)
      for (const std::string& variable : reports.Environment()) environment.push_back(variable);
    GtestResult result = RunGtest(program.path, environment, program.timeout);
    std::printf("%s: %d passed, %d failed, %d skipped (%.1f s)\n", program.name.c_str(),
                result.Count(Verdict::kPassed), result.Count(Verdict::kFailed),
                result.Count(Verdict::kSkipped), static_cast<double>(result.took.count()) / 1000);
    for (const CaseResult& c : result.cases)
      if (c.verdict == Verdict::kFailed)
        std::printf("  FAILED %s\n%s", c.name.c_str(), c.text.c_str());
    if (const std::string report = reports.Take(); !report.empty()) {
      std::printf("%s", report.c_str());
      result.broken +=
          (result.broken.empty() ? "" : "; ") + std::string("a sanitizer reports (above)");
    }
    if (!result.broken.empty()) std::printf("  FAILED %s\n", result.broken.c_str());
    std::fflush(stdout);
    results.push_back({program.name, std::move(result)});
  }
  return results;
}

/// Prints skipped cases and counts; returns true if all is well.
bool Summary(const std::vector<SuiteResult>& results, const std::vector<ContractRow>& rows) {
  int passed = 0, failed = 0, skipped = 0;
  for (const SuiteResult& suite : results) {
    passed += suite.result.Count(Verdict::kPassed);
    failed += suite.result.Count(Verdict::kFailed) + !suite.result.broken.empty();
    skipped += suite.result.Count(Verdict::kSkipped);
    for (const CaseResult& c : suite.result.cases)
      if (c.verdict == Verdict::kSkipped)
        std::printf("skipped: %s: %s", c.name.c_str(), c.text.c_str());
  }
  for (const std::string& message : UnknownRows(rows, results)) {
    std::printf("FAILED %s\n", message.c_str());
    ++failed;
  }
  std::printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
  return failed == 0 && passed > 0;
}

std::string Version(const fs::path& qemu) {
  const RunResult run = Run({qemu, "-version"}, Milliseconds(20000));
  return run.out.substr(0, run.out.find('\n'));
}

/// Writes the page; returns true if every row and every difference is explained.
bool WriteTable(const Options& options, const std::vector<ContractRow>& contract,
                std::vector<SuiteResult> results) {
  std::printf("== now on %s\n", options.against.c_str());
  const JudgedBinary ours{"ours", Version(options.build / "kata/qemu-system-x86_64"),
                          std::move(results)};
  const JudgedBinary other{"Debian's", Version(options.against), RunAll(options, options.against)};
  const fs::path tests = options.build.parent_path() / "tests";
  const ContractPage page =
      MakeContractPage(contract, ReadDifferences(tests / "differences.txt"), ours, other);
  const fs::path unfinished = options.table.string() + ".new";
  WriteFile(unfinished, page.markdown);
  fs::rename(unfinished, options.table);
  for (const std::string& gap : page.gaps) std::printf("FAILED %s\n", gap.c_str());
  std::printf("%s is written\n", options.table.c_str());
  return page.gaps.empty();
}

int Check(const Arguments& arguments) {
  Options options;
  options.build = arguments.Value("--build");
  options.qemu = arguments.Value("--qemu");
  options.only = arguments.Value("--only");
  options.table = arguments.Value("--table");
  options.requirements = arguments.Value("--virtio");
  options.junit = arguments.Value("--junit");
  options.sanitized = arguments.Has("--asan");
  if (arguments.Has("--against")) options.against = arguments.Value("--against");
  const fs::path tests = options.build.parent_path() / "tests";
  const auto contract = ReadContract(tests / "contract.txt");
  const auto virtio = ReadContract(tests / "virtio/requirements.txt");
  std::vector<ContractRow> rows = contract;
  rows.insert(rows.end(), virtio.begin(), virtio.end());
  if (!options.table.empty() && !fs::exists(options.against))
    throw BadInput("there is no " + options.against.string() +
                   " to compare with (Debian's package qemu-system-x86)");
  std::vector<SuiteResult> results = RunAll(options, options.qemu);
  if (results.empty())
    throw BadInput("no suite has \"" + options.only.string() + "\" in its name (--only)");
  bool good = Summary(results, rows);
  if (!options.junit.empty()) WriteJunit(options.junit, results);
  if (!options.requirements.empty())
    WriteFile(options.requirements, MakeRequirementsPage(virtio, results));
  if (!options.table.empty()) good &= WriteTable(options, contract, std::move(results));
  return good ? 0 : 1;
}

}  // namespace
}  // namespace stx

int main(int argc, char** argv) {
  return stx::RunVerb("check", kHelp, "  --build FOLDER   (required)\n", argc, argv, stx::Check);
}
