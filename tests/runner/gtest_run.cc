// SPDX-License-Identifier: GPL-2.0-or-later
#include "runner/gtest_run.h"

#include <algorithm>
#include <sstream>
#include <string_view>

#include "base/process.h"
#include "harness/qemu/contract.h"

namespace stx {
namespace {

/// "Suite.Case" of "[ RUN      ] Suite.Case" and "[       OK ] Suite.Case (3 ms)", whose brackets
/// hold `mark`.
bool TakeMark(const std::string& line, std::string_view mark, std::string* name) {
  std::string start = "[" + std::string(mark) + "] ";
  if (!line.starts_with(start)) return false;
  *name = line.substr(start.size());
  *name = name->substr(0, name->find_first_of(", "));
  return true;
}

std::string OneLine(const std::string& text, size_t limit) {
  std::string line;
  for (char c : text) line += c == '\n' ? ' ' : c;
  line.erase(0, line.find_first_not_of(' '));
  if (line.size() > limit) line = line.substr(0, limit) + "…";
  while (line.ends_with(' ')) line.pop_back();
  return line;
}

}  // namespace

std::vector<CaseResult> ParseGtest(const std::string& output) {
  std::vector<CaseResult> cases;
  bool inside = false;
  std::istringstream in(output);
  for (std::string line, name; std::getline(in, line);) {
    if (!inside && TakeMark(line, " RUN      ", &name)) {
      // Until its end is seen, a case has failed: its program may not live that long.
      cases.push_back({name, Verdict::kFailed, ""});
      inside = true;
    } else if (inside && TakeMark(line, "       OK ", &name)) {
      cases.back().verdict = Verdict::kPassed;
      inside = false;
    } else if (inside && TakeMark(line, "  SKIPPED ", &name)) {
      cases.back().verdict = Verdict::kSkipped;
      // The place in the source is of no use in a summary.
      std::string& text = cases.back().text;
      if (const size_t at = text.find(": Skipped\n"); at != std::string::npos)
        text.erase(0, at + 10);
      inside = false;
    } else if (inside && TakeMark(line, "  FAILED  ", &name)) {
      inside = false;
    } else if (inside && line.starts_with(kContractMark)) {
      cases.back().rows.push_back(line.substr(kContractMark.size()));
    } else if (inside) {
      cases.back().text += line + "\n";
    }
  }
  if (inside) cases.back().text += "the test program ended in this case\n";
  return cases;
}

int GtestResult::Count(Verdict verdict) const {
  return static_cast<int>(std::count_if(cases.begin(), cases.end(),
                                        [&](const CaseResult& c) { return c.verdict == verdict; }));
}

std::string GtestResult::FirstFailure() const {
  for (const CaseResult& c : cases)
    if (c.verdict == Verdict::kFailed) {
      // The place in the source is of use in the full report only.
      size_t start = c.text.find("Failure\n");
      start = start == std::string::npos ? 0 : start + 8;
      return c.name + ": " + OneLine(c.text.substr(start), 160);
    }
  return broken;
}

GtestResult RunGtest(const std::filesystem::path& program, std::vector<std::string> environment,
                     Milliseconds timeout) {
  GtestResult result;
  auto start = Clock::now();
  TempDir dir;
  SpawnOptions options;
  options.environment = std::move(environment);
  options.stdout_file = dir / "stdout";
  Process process({program.string(), "--gtest_color=no"}, options);
  auto status = process.Wait(timeout);
  result.took = std::chrono::duration_cast<Milliseconds>(Clock::now() - start);
  result.cases = ParseGtest(ReadFile(options.stdout_file));
  if (!status)
    result.broken = "no end within " + std::to_string(timeout.count() / 1000) + " s";
  else if (result.cases.empty())
    result.broken = "it ran no case (" + status->ToString() + "): " + process.Stderr();
  else if (!status->Success() && result.Count(Verdict::kFailed) == 0)
    result.broken = status->ToString() + ": " + process.Stderr();
  return result;
}

}  // namespace stx
