// SPDX-License-Identifier: GPL-2.0-or-later
// check: runs all test programs of our build and counts. scripts/check builds what it needs and
// calls it.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <nlohmann/json.hpp>

#include "base/os.h"
#include "base/process.h"
#include "runner/contract.h"
#include "runner/sanitizer.h"

namespace stx {
namespace {

namespace fs = std::filesystem;
using json = nlohmann::json;

/// One test() of our meson.build files.
struct Program {
  std::string name;
  std::string profile = "host";  ///< of its test(): which of our builds it judges
  fs::path path;
  std::vector<std::string> environment;
  Milliseconds timeout;
};

std::vector<Program> ReadPrograms(const fs::path& build) {
  std::vector<Program> programs;
  for (const json& test : json::parse(ReadFile(build / "meson-info/intro-tests.json"))) {
    Program program;
    program.name = test["name"];
    program.path = test["cmd"].at(0).get<std::string>();
    program.timeout = Milliseconds(1000 * test["timeout"].get<long>());
    for (const auto& [name, value] : test["env"].items()) {
      if (name == "PROFILE") program.profile = value;
      program.environment.push_back(name + "=" + value.get<std::string>());
    }
    programs.push_back(std::move(program));
  }
  return programs;
}

struct Options {
  fs::path build, qemu, only, table, against = "/usr/bin/qemu-system-x86_64";
  bool sanitized = false;
};

/// Runs the programs on `qemu`, or on our builds when it is empty; a line each, failures in full.
std::vector<SuiteResult> RunAll(const Options& options, const fs::path& qemu) {
  std::vector<SuiteResult> results;
  SanitizerReports reports;
  for (Program& program : ReadPrograms(options.build / "tests")) {
    if (program.name.find(options.only.string()) == std::string::npos) continue;
    auto& environment = program.environment;
    auto binary = [&](const std::string& profile) {
      const std::string name = (options.sanitized ? "asan-" : "") + profile;
      return (qemu.empty() ? options.build / name / "qemu-system-x86_64" : qemu).string();
    };
    environment.push_back("QEMU=" + binary(program.profile));
    if (qemu.empty() && !options.sanitized) environment.push_back("QEMU_DPDK=" + binary("dpdk"));
    const fs::path tools = options.build / "tools";
    environment.push_back("GUEST=" + (options.build / "guest").string());
    environment.push_back("VIRTIOFSD=" + (tools / "tools/virtiofsd/virtiofsd").string());
    environment.push_back("VIRTIOFSD_RUST=" + (options.build / "virtiofsd/bin/virtiofsd").string());
    if (options.sanitized)
      for (const std::string& variable : reports.Environment()) environment.push_back(variable);
    environment.push_back("STORAGE_DAEMON=" +
                          (tools / "storage-daemon/qemu-storage-daemon").string());
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

/// Prints skips and counts; true when all is well.
bool Summary(const std::vector<SuiteResult>& results, const std::vector<ContractRow>& contract) {
  int passed = 0, failed = 0, skipped = 0;
  for (const SuiteResult& suite : results) {
    passed += suite.result.Count(Verdict::kPassed);
    failed += suite.result.Count(Verdict::kFailed) + !suite.result.broken.empty();
    skipped += suite.result.Count(Verdict::kSkipped);
    for (const CaseResult& c : suite.result.cases)
      if (c.verdict == Verdict::kSkipped)
        std::printf("skipped: %s: %s", c.name.c_str(), c.text.c_str());
  }
  for (const std::string& sentence : UnknownRows(contract, results)) {
    std::printf("FAILED %s\n", sentence.c_str());
    ++failed;
  }
  std::printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
  return failed == 0 && passed > 0;
}

std::string Version(const fs::path& qemu) {
  const RunResult run = Run({qemu, "-version"}, Milliseconds(20000));
  return run.out.substr(0, run.out.find('\n'));
}

/// Writes the page; true when every row and every difference has its explanation.
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

int Main(int argc, char** argv) {
  CLI::App app{
      "Runs the tests on a QEMU binary: a line a suite, the failures in full, the reason of "
      "each skip, and the count."};
  Options options;
  app.add_option("--build", options.build, "Where scripts/check built everything")
      ->required()
      ->group("");
  auto* qemu = app.add_option("--qemu", options.qemu, "Judge this binary instead of ours")
                   ->check(CLI::ExistingFile);
  app.add_flag("--sanitized", options.sanitized,
               "Judge build/asan-kata and build/asan-host: what sanitizers report is a failure")
      ->excludes(qemu)
      ->group("");
  app.add_option("--only", options.only, "Only the suites whose name contains this");
  auto* table = app.add_option("--table", options.table,
                               "Run all on ours, then on Debian's binary, and write the table of "
                               "the Kata contract to this file")
                    ->excludes(qemu);
  app.add_option("--against", options.against, "With --table: another binary than Debian's")
      ->check(CLI::ExistingFile)
      ->needs(table);
  CLI11_PARSE(app, argc, argv);
  const auto contract = ReadContract(options.build.parent_path() / "tests/contract.txt");
  if (!options.table.empty() && !fs::exists(options.against))
    throw std::runtime_error("no " + options.against.string() +
                             " to compare with (Debian's package qemu-system-x86)");
  std::vector<SuiteResult> results = RunAll(options, options.qemu);
  bool good = Summary(results, contract);
  if (!options.table.empty()) good &= WriteTable(options, contract, std::move(results));
  return good ? 0 : 1;
}

}  // namespace
}  // namespace stx

int main(int argc, char** argv) try {
  return stx::Main(argc, argv);
} catch (const std::exception& error) {
  std::fprintf(stderr, "check: %s\n", error.what());
  return 1;
}
