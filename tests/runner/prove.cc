// SPDX-License-Identifier: GPL-2.0-or-later
// prove: for every patch of the series, its tests (DEP-3 Tested-By) fail on the base and pass on
// ours. scripts/prove builds what it needs and calls it.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <sstream>
#include <stdexcept>

#include "base/os.h"
#include "runner/gtest_run.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

constexpr Milliseconds kTimeout{300000};

/// The names in patches/series: a patch a line, # starts a comment (quilt).
std::vector<std::string> ReadSeries(const fs::path& patches) {
  std::vector<std::string> names;
  std::istringstream in(ReadFile(patches / "series"));
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    if (std::string name; words >> name) names.push_back(name);
  }
  return names;
}

/// The test files of the patch's DEP-3 field Tested-By; throws when it names none.
std::vector<std::string> TestedBy(const fs::path& patch) {
  std::istringstream in(ReadFile(patch));
  for (std::string line; std::getline(in, line) && !line.starts_with("--- ");) {
    if (!line.starts_with("Tested-By:")) continue;
    std::vector<std::string> files;
    std::istringstream words(line.substr(10));
    for (std::string word; words >> word;) {
      while (word.ends_with(',')) word.pop_back();
      files.push_back(word);
    }
    if (!files.empty()) return files;
  }
  throw std::runtime_error(patch.string() + ": no Tested-By field with a test file");
}

/// tests/series/NAME_test.cc is built as tests/series/NAME_test.
fs::path ProgramOf(const fs::path& build, const std::string& file) {
  fs::path program = build / "tests" / fs::path(file).replace_extension();
  if (!fs::exists(program)) throw std::runtime_error(file + ": no such test in the build");
  return program;
}

std::vector<std::string> Environment(const fs::path& build, const std::string& profile,
                                     const std::string& dpdk_profile) {
  return {
      "QEMU=" + (build / profile / "qemu-system-x86_64").string(),
      "QEMU_DPDK=" + (build / dpdk_profile / "qemu-system-x86_64").string(),
  };
}

/// True when every test of the patch fails on plain and passes on ours; prints its lines.
bool Prove(const fs::path& root, const fs::path& build, const std::string& patch) {
  bool proven = true;
  for (const std::string& file : TestedBy(root / "patches" / patch)) {
    fs::path program = ProgramOf(build, file);
    GtestResult plain = RunGtest(program, Environment(build, "plain", "plain"), kTimeout);
    GtestResult ours = RunGtest(program, Environment(build, "host", "dpdk"), kTimeout);
    bool passed = !ours.Failed() && ours.Count(Verdict::kPassed) > 0;
    proven &= plain.Failed() && passed;
    std::printf("%s: %s: plain %s; ours %s\n", patch.c_str(), fs::path(file).filename().c_str(),
                plain.Failed()
                    ? ("failed " + std::to_string(plain.Count(Verdict::kFailed)) + " of " +
                       std::to_string(plain.cases.size()) + " (" + plain.FirstFailure() + ")")
                          .c_str()
                    : "DID NOT FAIL",
                passed ? ("passed " + std::to_string(ours.Count(Verdict::kPassed)) +
                          (ours.Count(Verdict::kSkipped)
                               ? ", skipped " + std::to_string(ours.Count(Verdict::kSkipped))
                               : ""))
                             .c_str()
                       : ("FAILED (" + ours.FirstFailure() + ")").c_str());
    std::fflush(stdout);
  }
  return proven;
}

int Main(int argc, char** argv) {
  CLI::App app{"Proves each patch: its tests fail on the base and pass with the series."};
  fs::path root;
  std::string only;
  app.add_option("--root", root, "The repository")->required()->group("");
  app.add_option("patch", only, "Only the patches whose name contains this");
  CLI11_PARSE(app, argc, argv);

  int proven = 0, failed = 0;
  for (const std::string& patch : ReadSeries(root / "patches"))
    if (patch.find(only) != std::string::npos)
      ++(Prove(root, root / "build", patch) ? proven : failed);
  std::printf("%d proven, %d not\n", proven, failed);
  return failed == 0 && proven > 0 ? 0 : 1;
}

}  // namespace
}  // namespace stx

int main(int argc, char** argv) try {
  return stx::Main(argc, argv);
} catch (const std::exception& error) {
  std::fprintf(stderr, "prove: %s\n", error.what());
  return 1;
}
