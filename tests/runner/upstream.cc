// upstream: compares what QEMU's own unit tests and qtests say of the base and of ours.
// scripts/check --upstream runs them and calls it with meson's logs.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "harness/os.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

/// A test's name and what became of it: "OK", "SKIP", "FAIL", "TIMEOUT", "ERROR".
using Results = std::map<std::string, std::string>;

/// meson-logs/testlog.json: a JSON object a line.
Results ReadLog(const fs::path& path) {
  Results results;
  std::istringstream in(ReadFile(path));
  for (std::string line; std::getline(in, line);) {
    auto test = nlohmann::json::parse(line);
    results[test["name"]] = test["result"];
  }
  return results;
}

std::string Counts(const Results& results) {
  std::map<std::string, int> counts;
  for (const auto& [name, result] : results) ++counts[result];
  std::string text;
  for (const auto& [result, count] : counts)
    text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + result;
  return text;
}

int Main(int argc, char** argv) {
  CLI::App app{
      "Compares two runs of QEMU's own tests: 0 when none that passes on the base fails on ours."};
  fs::path plain_log, our_log;
  app.add_option("plain", plain_log, "testlog.json of the base")
      ->required()
      ->check(CLI::ExistingFile);
  app.add_option("ours", our_log, "testlog.json of ours")->required()->check(CLI::ExistingFile);
  CLI11_PARSE(app, argc, argv);

  Results plain = ReadLog(plain_log), ours = ReadLog(our_log);
  int worse = 0;
  for (const auto& [name, result] : plain) {
    const std::string our_result = ours.contains(name) ? ours[name] : "not run";
    if (result == our_result) continue;
    std::printf("%s: plain %s, ours %s\n", name.c_str(), result.c_str(), our_result.c_str());
    worse += result == "OK";
  }
  std::printf("plain: %s\nours: %s\n", Counts(plain).c_str(), Counts(ours).c_str());
  std::printf("%d tests that pass on plain do not pass on ours\n", worse);
  return worse == 0 && !plain.empty() ? 0 : 1;
}

}  // namespace
}  // namespace stx

int main(int argc, char** argv) try {
  return stx::Main(argc, argv);
} catch (const std::exception& error) {
  std::fprintf(stderr, "upstream: %s\n", error.what());
  return 1;
}
