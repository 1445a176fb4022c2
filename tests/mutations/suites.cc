// SPDX-License-Identifier: GPL-2.0-or-later
#include "mutations/suites.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace stx {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::vector<std::string> Environment(const JudgingSuite& suite, const SuiteFolders& folders,
                                     const fs::path& qemu) {
  std::vector<std::string> environment = EnvironmentOf(suite.program, folders.build, {qemu, {}});
  environment.push_back("GTEST_FAIL_FAST=0");
  return environment;
}

/// How long the suite takes on the binary that mutants are built as, and what fails there anyway
/// (such as cases for the host profile).
void RunPlain(JudgingSuite& suite, const SuiteFolders& folders) {
  const GtestResult result = RunGtest(
      suite.program.path, Environment(suite, folders, folders.plain), suite.program.timeout);
  suite.took = result.took;
  suite.broken = result.broken;
  for (const CaseResult& each : result.cases)
    if (each.verdict == Verdict::kFailed)
      suite.failing += (suite.failing.empty() ? "" : ":") + each.name;
}

void RunCounted(JudgingSuite& suite, const std::vector<std::string>& files,
                const SuiteFolders& folders) {
  const fs::path counters = folders.cache.string() + ".counters";
  fs::remove_all(counters);
  fs::create_directories(counters);
  std::vector<std::string> environment = Environment(suite, folders, folders.counts);
  // %m: one file per binary, in which all processes add up; %c: it is mapped.
  environment.push_back("LLVM_PROFILE_FILE=" + (counters / "%m%c").string());
  const GtestResult result = RunGtest(suite.program.path, environment, 2 * suite.program.timeout);
  suite.lines_unknown = !result.broken.empty();
  if (!fs::is_empty(counters))
    suite.lines = ReadCoverage(folders.counts, counters, folders.tree, files);
  fs::remove_all(counters);
}

json ToJson(const JudgingSuite& suite) {
  return {{"hash", suite.hash},     {"failing", suite.failing},
          {"broken", suite.broken}, {"ms", suite.took.count()},
          {"lines", suite.lines},   {"lines unknown", suite.lines_unknown}};
}
void FromJson(const json& from, JudgingSuite& suite) {
  suite.failing = from.at("failing");
  suite.broken = from.at("broken");
  suite.took = Milliseconds(from.at("ms").get<long>());
  suite.lines = from.at("lines").get<Coverage>();
  suite.lines_unknown = from.at("lines unknown");
}

}  // namespace

bool JudgingSuite::Executes(const std::string& file, int line) const {
  if (lines_unknown) return true;
  const auto found = lines.find(file);
  return found != lines.end() && found->second.count(line);
}

std::string HashOf(const std::string& text) {
  char hash[32];
  std::snprintf(hash, sizeof hash, "%zx", std::hash<std::string>()(text));
  return hash;
}

std::vector<JudgingSuite> PrepareSuites(const std::vector<Program>& programs,
                                        const std::vector<std::string>& files,
                                        const SuiteFolders& folders, bool (*interrupted)()) {
  std::string all_files;
  for (const std::string& file : files) all_files += file + "\n";
  const std::string key = HashOf(ReadFile(folders.plain) + all_files);
  json cache;
  if (fs::exists(folders.cache)) cache = json::parse(ReadFile(folders.cache), nullptr, false);
  if (!cache.is_object() || cache.value("key", "") != key)
    cache = {{"key", key}, {"suites", json::object()}};
  std::vector<JudgingSuite> suites;
  for (const Program& program : programs) {
    JudgingSuite suite;
    suite.program = program;
    suite.hash = HashOf(ReadFile(program.path));
    json& known = cache["suites"][program.name];
    if (known.is_object() && known.value("hash", "") == suite.hash) {
      FromJson(known, suite);
    } else {
      RunPlain(suite, folders);
      if (interrupted()) return {};
      if (suite.broken.empty()) RunCounted(suite, files, folders);
      if (interrupted()) return {};
      known = ToJson(suite);
      WriteFile(folders.cache, cache.dump());
      std::printf("%s: %.1f s%s%s%s%s\n", program.name.c_str(),
                  static_cast<double>(suite.took.count()) / 1000,
                  suite.lines_unknown ? ", lines unknown" : "",
                  suite.failing.empty() ? "" : ", without a mutant fails: ", suite.failing.c_str(),
                  suite.broken.empty() ? "" : (", cannot judge: " + suite.broken).c_str());
      std::fflush(stdout);
    }
    suites.push_back(std::move(suite));
  }
  return suites;
}

GtestResult RunSuite(const JudgingSuite& suite, const fs::path& build, const fs::path& qemu,
                     const std::string& cases) {
  std::vector<std::string> environment = EnvironmentOf(suite.program, build, {qemu, {}});
  std::string filter = cases;
  if (cases.empty()) {
    for (const std::string& variable : suite.program.environment)
      if (variable.starts_with("GTEST_FILTER=")) filter = variable.substr(13);
    if (!suite.failing.empty())
      filter += (filter.find('-') == std::string::npos ? (filter.empty() ? "*-" : "-") : ":") +
                suite.failing;
  }
  if (!filter.empty()) {
    std::erase_if(environment,
                  [](const std::string& each) { return each.starts_with("GTEST_FILTER="); });
    environment.push_back("GTEST_FILTER=" + filter);
  }
  environment.push_back("GTEST_FAIL_FAST=1");
  const Milliseconds limit = std::min(suite.program.timeout, Milliseconds(60000) + 10 * suite.took);
  return RunGtest(suite.program.path, environment, limit);
}

}  // namespace stx
