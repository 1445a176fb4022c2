// SPDX-License-Identifier: GPL-2.0-or-later
#include "runner/gtest_run.h"

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <string_view>

#include "base/process.h"
#include "harness/qemu/contract.h"

namespace stx {
namespace {

/// Extracts "Suite.Case" from "[ RUN      ] Suite.Case" and "[       OK ] Suite.Case (3 ms)", whose
/// brackets hold `mark`.
bool TakeMark(const std::string& line, std::string_view mark, std::string* name,
              Milliseconds* took = nullptr) {
  std::string start = "[" + std::string(mark) + "] ";
  if (!line.starts_with(start)) return false;
  *name = line.substr(start.size());
  if (const size_t at = name->rfind(" ("); took && at != std::string::npos)
    *took = Milliseconds(std::atol(name->c_str() + at + 2));
  *name = name->substr(0, name->find_first_of(", "));
  return true;
}

}  // namespace

std::string InALine(const std::string& failure) {
  constexpr size_t kLimit = 160;
  std::string line;
  for (char c : failure) line += c == '\n' ? ' ' : c;
  line.erase(0, line.find_first_not_of(' '));
  if (line.size() > kLimit) line = line.substr(0, kLimit) + "…";
  while (line.ends_with(' ')) line.pop_back();
  return line;
}

std::vector<CaseResult> ParseGtest(const std::string& output) {
  std::vector<CaseResult> cases;
  bool inside = false;
  std::istringstream in(output);
  for (std::string line, name; std::getline(in, line);) {
    if (!inside && TakeMark(line, " RUN      ", &name)) {
      // A case counts as failed until its end is seen, because its program may crash.
      cases.push_back({name, Verdict::kFailed, ""});
      inside = true;
    } else if (inside && TakeMark(line, "       OK ", &name, &cases.back().took)) {
      cases.back().verdict = Verdict::kPassed;
      inside = false;
    } else if (inside && TakeMark(line, "  SKIPPED ", &name, &cases.back().took)) {
      cases.back().verdict = Verdict::kSkipped;
      // The position in the source is of no use in a summary.
      std::string& text = cases.back().text;
      if (const size_t at = text.find(": Skipped\n"); at != std::string::npos)
        text.erase(0, at + 10);
      inside = false;
    } else if (inside && TakeMark(line, "  FAILED  ", &name, &cases.back().took)) {
      inside = false;
    } else if (inside && line.starts_with(kContractMark)) {
      cases.back().rows.push_back(line.substr(kContractMark.size()));
    } else if (inside && line.starts_with(kUnseenMark)) {
      cases.back().unseen_rows.push_back(line.substr(kUnseenMark.size()));
    } else if (inside) {
      cases.back().text += line + "\n";
    }
  }
  if (inside) {
    cases.back().text += "the test program ended in this case\n";
    cases.back().crashed = true;
  }
  return cases;
}

std::vector<std::string> CaseResult::Failures() const {
  std::vector<std::string> failures;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (line.ends_with(": Failure"))
      failures.emplace_back();
    else if (!failures.empty())
      failures.back() += line + "\n";
  }
  return failures.empty() ? std::vector<std::string>{text} : failures;
}

std::string CaseResult::FailureInALine() const { return InALine(Failures().front()); }

int GtestResult::Count(Verdict verdict) const {
  return static_cast<int>(std::count_if(cases.begin(), cases.end(),
                                        [&](const CaseResult& c) { return c.verdict == verdict; }));
}

std::string GtestResult::FirstFailure() const {
  for (const CaseResult& c : cases)
    if (c.verdict == Verdict::kFailed) return c.name + ": " + c.FailureInALine();
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
