// SPDX-License-Identifier: GPL-2.0-or-later
#include "runner/contract_table.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>

namespace stx {
namespace {

constexpr std::string_view kUntested = "  untested: ";

/// Calls `take` with each line that is neither empty nor a comment; throws if it returns false.
void ForLines(const std::filesystem::path& path,
              const std::function<bool(const std::string&)>& take) {
  std::istringstream in(ReadFile(path));
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.empty() || line[0] == '#') continue;
    if (!take(line))
      throw std::runtime_error(path.string() + ":" + std::to_string(number) +
                               ": cannot read the line: " + line);
  }
}

/// Splits "START: rest". The start may contain "::".
bool Split(const std::string& line, std::string* start, std::string* rest) {
  const size_t colon = line.find(": ");
  if (colon == 0 || colon == std::string::npos || colon + 2 == line.size()) return false;
  *start = line.substr(0, colon);
  *rest = line.substr(colon + 2);
  return true;
}

/// "Suite" of "Instance/Suite.Case/0".
std::string SuiteOf(const std::string& name) {
  std::string suite = name.substr(0, name.find('.'));
  return suite.substr(suite.find('/') == std::string::npos ? 0 : suite.find('/') + 1);
}

struct Counts {
  int passed = 0, failed = 0, skipped = 0;
  void Add(Verdict verdict) {
    ++(verdict == Verdict::kPassed ? passed : verdict == Verdict::kFailed ? failed : skipped);
  }
  std::string ToString() const {
    std::string text;
    const auto add = [&](int count, const char* what) {
      if (count)
        text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + std::string(what);
    };
    add(passed, "passed");
    add(failed, "FAILED");
    add(skipped, "skipped");
    return text.empty() ? "-" : text;
  }
};

bool Has(const std::vector<std::string>& rows, const std::string& row) {
  return std::find(rows.begin(), rows.end(), row) != rows.end();
}

Counts CountRow(const std::vector<SuiteResult>& results, const std::string& row,
                std::map<std::string, int>* suites) {
  Counts counts;
  for (const SuiteResult& suite : results)
    for (const CaseResult& c : suite.result.cases)
      if (Has(c.rows, row) || Has(c.unseen_rows, row)) {
        const bool unseen = Has(c.unseen_rows, row) && c.verdict == Verdict::kPassed;
        counts.Add(unseen ? Verdict::kSkipped : c.verdict);
        ++(*suites)[SuiteOf(c.name)];
      }
  return counts;
}

Counts CountAll(const std::vector<SuiteResult>& results) {
  Counts counts;
  for (const SuiteResult& suite : results)
    for (const CaseResult& c : suite.result.cases) counts.Add(c.verdict);
  return counts;
}

const char* Word(Verdict verdict) {
  return verdict == Verdict::kPassed   ? "passed"
         : verdict == Verdict::kFailed ? "failed"
                                       : "skipped";
}

/// Verdicts, keyed by program and case.
std::map<std::pair<std::string, std::string>, Verdict> Verdicts(
    const std::vector<SuiteResult>& results) {
  std::map<std::pair<std::string, std::string>, Verdict> verdicts;
  for (const SuiteResult& suite : results)
    for (const CaseResult& c : suite.result.cases) verdicts[{suite.name, c.name}] = c.verdict;
  return verdicts;
}

std::string Table(const std::vector<ContractRow>& contract, const JudgedBinary& ours,
                  const JudgedBinary& other, std::vector<std::string>* gaps) {
  std::string text = "| row | what must hold | tests (cases) | " + ours.name + " | " + other.name +
                     " |\n|---|---|---|---|---|\n";
  std::string untested;
  for (const ContractRow& row : contract) {
    std::map<std::string, int> suites, ignored;
    const Counts at_ours = CountRow(ours.results, row.id, &suites);
    const Counts at_other = CountRow(other.results, row.id, &ignored);
    if (suites.empty()) {
      untested += "- **" + row.id + "**: " + row.text + ". " +
                  (row.untested.empty() ? "No test." : row.untested + ".") + "\n";
      if (row.untested.empty()) gaps->push_back("row " + row.id + " has neither test nor reason");
      continue;
    }
    std::string names;
    for (const auto& [name, count] : suites)
      names += (names.empty() ? "" : ", ") + name + " (" + std::to_string(count) + ")";
    text += "| " + row.id + " | " + row.text + " | " + names + " | " + at_ours.ToString() + " | " +
            at_other.ToString() + " |\n";
  }
  return text + "\n## Rows that no test here can tell\n" + untested;
}

std::string Differences(const std::vector<Difference>& differences, const JudgedBinary& ours,
                        const JudgedBinary& other, std::vector<std::string>* gaps) {
  const auto at_ours = Verdicts(ours.results), at_other = Verdicts(other.results);
  // Explanation -> suite -> "passed/failed" -> count.
  std::map<std::string, std::map<std::string, std::map<std::string, int>>> explained;
  std::string unexplained;
  std::set<std::pair<std::string, std::string>> names;
  for (const auto* verdicts : {&at_ours, &at_other})
    for (const auto& [name, verdict] : *verdicts) names.insert(name);
  for (const auto& name : names) {
    const auto word = [&](const auto& verdicts) {
      const auto found = verdicts.find(name);
      return std::string(found == verdicts.end() ? "not there" : Word(found->second));
    };
    const std::string both =
        ours.name + " " + word(at_ours) + ", " + other.name + " " + word(at_other);
    if (word(at_ours) == word(at_other)) continue;
    const auto why = std::find_if(differences.begin(), differences.end(), [&](const Difference& d) {
      return name.second.starts_with(d.start);
    });
    if (why == differences.end()) {
      unexplained += "- " + name.first + " " + name.second + ": " + both + "\n";
      gaps->push_back("not explained: " + name.first + " " + name.second + ": " + both);
    } else {
      ++explained[why->why][SuiteOf(name.second)][both];
    }
  }
  std::string text;
  for (const auto& [why, suites] : explained) {
    text += "- " + why + "\n";
    for (const auto& [suite, counts] : suites)
      for (const auto& [both, count] : counts)
        text += "  - " + suite + ": " + std::to_string(count) +
                (count == 1 ? " case: " : " cases: ") + both + "\n";
  }
  if (!unexplained.empty()) text += "\nNot explained:\n" + unexplained;
  return text.empty() ? "None.\n" : text;
}

std::string Skips(const JudgedBinary& ours) {
  std::map<std::string, int> reasons;
  for (const SuiteResult& suite : ours.results)
    for (const CaseResult& c : suite.result.cases)
      if (c.verdict == Verdict::kSkipped)
        ++reasons[SuiteOf(c.name) + ": " + c.text.substr(0, c.text.find('\n'))];
  std::string text;
  for (const auto& [reason, count] : reasons)
    text += "- " + reason + (count > 1 ? " (" + std::to_string(count) + " cases)" : "") + "\n";
  return text.empty() ? "None.\n" : text;
}

}  // namespace

std::vector<ContractRow> ReadContract(const std::filesystem::path& path) {
  std::vector<ContractRow> rows;
  ForLines(path, [&](const std::string& line) {
    if (line.starts_with(kUntested)) {
      if (rows.empty()) return false;
      rows.back().untested = line.substr(kUntested.size());
      return true;
    }
    ContractRow row;
    if (!Split(line, &row.id, &row.text)) return false;
    rows.push_back(row);
    return true;
  });
  return rows;
}

std::vector<Difference> ReadDifferences(const std::filesystem::path& path) {
  std::vector<Difference> differences;
  ForLines(path, [&](const std::string& line) {
    Difference difference;
    if (!Split(line, &difference.start, &difference.why)) return false;
    differences.push_back(difference);
    return true;
  });
  return differences;
}

std::vector<std::string> UnknownRows(const std::vector<ContractRow>& contract,
                                     const std::vector<SuiteResult>& results) {
  std::vector<std::string> unknown;
  for (const SuiteResult& suite : results)
    for (const CaseResult& c : suite.result.cases)
      for (const auto* rows : {&c.rows, &c.unseen_rows})
        for (const std::string& id : *rows)
          if (std::none_of(contract.begin(), contract.end(),
                           [&](const ContractRow& row) { return row.id == id; }))
            unknown.push_back(
                c.name + " names the row '" + id +
                "', which neither tests/contract.txt nor tests/virtio/requirements.txt has");
  return unknown;
}

ContractPage MakeContractPage(const std::vector<ContractRow>& contract,
                              const std::vector<Difference>& differences, const JudgedBinary& ours,
                              const JudgedBinary& other) {
  ContractPage page;
  page.markdown =
      "# What Kata Containers 3.1.3 asks of QEMU, and what was seen\n\n"
      "`scripts/check --table docs/kata-contract.md` makes this page: it runs all suites on both\n"
      "binaries. Rows are those of `tests/contract.txt`; a case may answer for several.\n\n"
      "| | binary | cases |\n|---|---|---|\n";
  for (const JudgedBinary* binary : {&ours, &other})
    page.markdown += "| " + binary->name + " | " + binary->version + " | " +
                     CountAll(binary->results).ToString() + " |\n";
  page.markdown += "\n" + Table(contract, ours, other, &page.gaps);
  page.markdown += "\n## What " + other.name + " says otherwise, and why\n" +
                   Differences(differences, ours, other, &page.gaps);
  page.markdown +=
      "\n## Skipped on " + ours.name + " on the machine that made this page\n" + Skips(ours);
  return page;
}

}  // namespace stx
