// check: runs all test programs of our build and counts. scripts/check builds what it needs and
// calls it.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <nlohmann/json.hpp>

#include "harness/os.h"
#include "runner/gtest_run.h"
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

int Main(int argc, char** argv) {
  CLI::App app{
      "Runs the tests on a QEMU binary: a line a suite, the failures in full, the reason of "
      "each skip, and the count."};
  fs::path build, qemu, only;
  app.add_option("--build", build, "Where scripts/check built everything")->required()->group("");
  app.add_option("--qemu", qemu, "Judge this binary instead of ours")->check(CLI::ExistingFile);
  app.add_option("--only", only, "Only the suites whose name contains this");
  bool sanitized = false;
  app.add_flag("--sanitized", sanitized,
               "--qemu is built with sanitizers: their reports are failures");
  CLI11_PARSE(app, argc, argv);

  SanitizerReports reports;
  int passed = 0, failed = 0, skipped = 0;
  std::vector<std::string> reasons;
  for (Program& program : ReadPrograms(build / "tests")) {
    if (program.name.find(only.string()) == std::string::npos) continue;
    auto& environment = program.environment;
    auto binary = [&](const std::string& profile) {
      return (qemu.empty() ? build / profile / "qemu-system-x86_64" : qemu).string();
    };
    environment.push_back("QEMU=" + binary(program.profile));
    if (qemu.empty()) environment.push_back("QEMU_DPDK=" + binary("dpdk"));
    environment.push_back("GUEST=" + (build / "guest").string());
    environment.push_back("VIRTIOFSD=" + (build / "tools/tools/virtiofsd/virtiofsd").string());
    environment.push_back("VIRTIOFSD_RUST=" + (build / "virtiofsd/bin/virtiofsd").string());
    if (sanitized)
      for (const std::string& variable : reports.Environment()) environment.push_back(variable);
    environment.push_back("STORAGE_DAEMON=" +
                          (build / "tools/storage-daemon/qemu-storage-daemon").string());
    GtestResult result = RunGtest(program.path, environment, program.timeout);
    std::printf("%s: %d passed, %d failed, %d skipped (%.1f s)\n", program.name.c_str(),
                result.Count(Verdict::kPassed), result.Count(Verdict::kFailed),
                result.Count(Verdict::kSkipped), static_cast<double>(result.took.count()) / 1000);
    for (const CaseResult& c : result.cases) {
      if (c.verdict == Verdict::kFailed)
        std::printf("  FAILED %s\n%s", c.name.c_str(), c.text.c_str());
      if (c.verdict == Verdict::kSkipped) reasons.push_back(c.name + ": " + c.text);
    }
    if (const std::string report = reports.Take(); !report.empty()) {
      std::printf("  FAILED %s: a sanitizer reports\n%s", program.name.c_str(), report.c_str());
      ++failed;
    }
    if (!result.broken.empty()) std::printf("  FAILED %s\n", result.broken.c_str());
    std::fflush(stdout);
    passed += result.Count(Verdict::kPassed);
    failed += result.Count(Verdict::kFailed) + !result.broken.empty();
    skipped += result.Count(Verdict::kSkipped);
  }
  for (const std::string& reason : reasons) std::printf("skipped: %s", reason.c_str());
  std::printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
  return failed == 0 && passed > 0 ? 0 : 1;
}

}  // namespace
}  // namespace stx

int main(int argc, char** argv) try {
  return stx::Main(argc, argv);
} catch (const std::exception& error) {
  std::fprintf(stderr, "check: %s\n", error.what());
  return 1;
}
