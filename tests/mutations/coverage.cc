// SPDX-License-Identifier: GPL-2.0-or-later
#include "mutations/coverage.h"

#include <sstream>
#include <stdexcept>

#include "base/process.h"

namespace stx {
namespace {

constexpr Milliseconds kTimeout{10 * 60 * 1000};

std::string RunTool(const std::vector<std::string>& argv) {
  const RunResult run = Run(argv, kTimeout);
  if (!run.status.Success())
    throw std::runtime_error(argv[0] + ": " + run.status.ToString() + "\n" + run.err);
  return run.out;
}

}  // namespace

Coverage ParseTracefile(std::string_view tracefile, const std::filesystem::path& tree) {
  Coverage coverage;
  std::set<int>* lines = nullptr;
  std::istringstream in{std::string(tracefile)};
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("SF:")) {
      const std::string file =
          std::filesystem::path(line.substr(3)).lexically_normal().lexically_relative(tree);
      lines = file.empty() || file.starts_with("..") ? nullptr : &coverage[file];
    } else if (lines && line.starts_with("DA:")) {
      const size_t comma = line.find(',');
      if (comma == std::string::npos) throw std::runtime_error("coverage: cannot read " + line);
      if (std::stoull(line.substr(comma + 1)) > 0)
        lines->insert(std::stoi(line.substr(3, comma - 3)));
    }
  }
  return coverage;
}

Coverage ReadCoverage(const std::filesystem::path& binary, const std::filesystem::path& folder,
                      const std::filesystem::path& tree, const std::vector<std::string>& files) {
  std::vector<std::string> merge{"llvm-profdata", "merge", "-sparse", "-o", folder / "merged"};
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().filename() != "merged") merge.push_back(entry.path());
  RunTool(merge);
  std::vector<std::string> write{"llvm-cov",
                                 "export",
                                 "-format=lcov",
                                 "-skip-expansions",
                                 "-skip-functions",
                                 "-instr-profile=" + (folder / "merged").string(),
                                 binary};
  for (const std::string& file : files) write.push_back(tree / file);
  return ParseTracefile(RunTool(write), tree);
}

}  // namespace stx
