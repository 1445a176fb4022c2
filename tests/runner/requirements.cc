// SPDX-License-Identifier: GPL-2.0-or-later
#include "runner/requirements.h"

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

namespace stx {
namespace {

/// The chapters of devices and transports that the sections belong to, the longest number first.
const std::vector<std::pair<std::string, std::string>> kParts{
    {"2.7", "Split virtqueues"},
    {"2.8", "Packed virtqueues"},
    {"2", "All devices"},
    {"4.1", "PCI"},
    {"4.2", "MMIO"},
    {"5.10", "Socket device"},
    {"5.11", "File system device"},
    {"5.15", "Memory device"},
    {"5.19", "Persistent memory"},
    {"5.1", "Network device"},
    {"5.2", "Block device"},
    {"5.3", "Console device"},
    {"5.4", "Entropy device"},
    {"5.5", "Memory balloon"},
    {"5.6", "SCSI host"},
    {"6", "Reserved feature bits"},
};

std::string PartOf(const std::string& section) {
  for (const auto& [number, name] : kParts)
    if ((section + ".").starts_with(number + ".")) return name;
  return "Other";
}

/// "Suite.Case" of "Instance/Suite.Case/0".
std::string WithoutInstance(std::string name) {
  const size_t dot = name.find('.'), slash = name.find('/');
  if (slash < dot) name.erase(0, slash + 1);
  if (const size_t at = name.find('/'); at != std::string::npos) name.erase(at);
  return name;
}

struct Part {
  int rows = 0, cases = 0, untested = 0;
  std::string table;
};

}  // namespace

std::string MakeRequirementsPage(const std::vector<ContractRow>& rows,
                                 const std::vector<SuiteResult>& results) {
  std::map<std::string, std::set<std::string>> answers;
  for (const SuiteResult& suite : results)
    for (const CaseResult& c : suite.result.cases)
      if (c.verdict == Verdict::kPassed)
        for (const std::string& row : c.rows) answers[row].insert(WithoutInstance(c.name));
  std::vector<std::string> order;
  std::map<std::string, Part> parts;
  Part total;
  for (const ContractRow& row : rows) {
    std::istringstream words(row.id);
    std::string virtio, section, name;
    words >> virtio >> section >> name;
    const std::string part_name = PartOf(section);
    if (!parts.count(part_name)) order.push_back(part_name);
    Part& part = parts[part_name];
    std::string cases;
    for (const std::string& answer : answers[row.id])
      cases += (cases.empty() ? "`" : ", `") + answer + "`";
    for (Part* counted : {&part, &total}) {
      ++counted->rows;
      counted->cases += !cases.empty();
      counted->untested += cases.empty() && !row.untested.empty();
    }
    if (cases.empty()) cases = row.untested.empty() ? "**none**" : "none: " + row.untested;
    part.table += "| " + section + " | " + row.text + " | " + cases + " |\n";
  }
  std::string page =
      "# What virtio 1.2 demands of devices, and which tests show it\n\n"
      "`scripts/check --virtio docs/virtio-requirements.md` makes this page. Its rows are those\n"
      "of `tests/virtio/requirements.txt`: each MUST and MUST NOT of a device, in our words, for\n"
      "the devices and transports that our profiles have. A case that passed answers for a row.\n\n"
      "| part | requirements | with a case | not in 7.2, or not to be seen | without |\n"
      "|---|---|---|---|---|\n";
  const auto add = [&](const std::string& name, const Part& part) {
    page += "| " + name + " | " + std::to_string(part.rows) + " | " + std::to_string(part.cases) +
            " | " + std::to_string(part.untested) + " | " +
            std::to_string(part.rows - part.cases - part.untested) + " |\n";
  };
  for (const std::string& name : order) add(name, parts[name]);
  add("**all**", total);
  for (const std::string& name : order)
    page +=
        "\n## " + name + "\n| section | the device | cases |\n|---|---|---|\n" + parts[name].table;
  return page;
}

}  // namespace stx
