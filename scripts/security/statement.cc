// SPDX-License-Identifier: GPL-2.0-or-later
#include "security/statement.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

namespace stx {
namespace {

using nlohmann::ordered_json;

/// The packages that are built from each profile; the source package stands for the host's, which
/// scanners look up by it.
const std::map<std::string, std::vector<std::string>> kPackages{
    {"host",
     {"qemu", "qemu-system-x86", "qemu-system-common", "qemu-block-extra", "qemu-utils",
      "qemu-guest-agent"}},
    {"kata", {"qemu-kata"}}};

ordered_json Products(const std::string& profile) {
  ordered_json products = ordered_json::array();
  for (const std::string& package : kPackages.at(profile))
    products.push_back({{"@id", "pkg:deb/debian/" + package + "@@VERSION@" +
                                    (package == "qemu" ? "?arch=source" : "")}});
  return products;
}

std::string Names(const std::vector<std::string>& names, const std::string& before = "",
                  const std::string& after = "") {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + before + name + after;
  return text;
}

ordered_json Statement(const Cve& cve, const std::string& profile) {
  ordered_json statement{
      {"vulnerability", {{"name", cve.id}, {"description", cve.component + ": " + cve.fault}}},
      {"products", Products(profile)}};
  switch (cve.StatusIn(profile)) {
    case CveStatus::kBase:
      statement["status"] = "fixed";
      statement["status_notes"] = "Fixed in Debian's " + cve.base + ": " + cve.changelog;
      break;
    case CveStatus::kPatch:
      statement["status"] = "fixed";
      statement["status_notes"] = "Fixed by " + Names(cve.patches, "patches/", ".patch") + ".";
      break;
    case CveStatus::kNotBuilt:
      statement["status"] = "not_affected";
      statement["justification"] = "component_not_present";
      statement["impact_statement"] =
          "The profile " + profile + " is built without this component.";
      break;
    case CveStatus::kNotAffected:
      statement["status"] = "not_affected";
      statement["justification"] = "vulnerable_code_not_present";
      statement["impact_statement"] = cve.evidence;
      break;
    case CveStatus::kAffected:
      statement["status"] = "affected";
      statement["action_statement"] = cve.evidence;
      break;
    case CveStatus::kInvestigated:
      statement["status"] = "under_investigation";
      statement["status_notes"] = cve.evidence;
      break;
  }
  return statement;
}

const char* Heading(CveStatus status) {
  switch (status) {
    case CveStatus::kBase:
      return "Fixed in the base";
    case CveStatus::kPatch:
      return "Fixed by our patches";
    case CveStatus::kNotBuilt:
      return "Not built";
    case CveStatus::kNotAffected:
      return "Not affected";
    case CveStatus::kAffected:
      return "Affected";
    case CveStatus::kInvestigated:
      return "Under investigation";
  }
  return "";
}

/// The last column of the page's tables.
std::string Reason(const Cve& cve) {
  std::string reason;
  if (cve.status == CveStatus::kBase) reason = cve.base + ": " + cve.changelog;
  if (cve.status == CveStatus::kPatch) reason = Names(cve.patches, "`", "`");
  if (!cve.evidence.empty()) reason += (reason.empty() ? "" : ". ") + cve.evidence;
  return reason;
}

std::string Table(const CveList& list, CveStatus status) {
  std::string rows;
  for (const Cve& cve : list.cves) {
    if (cve.status != status) continue;
    std::string built;
    for (const char* profile : kProfiles)
      if (cve.StatusIn(profile) != CveStatus::kNotBuilt)
        built += (built.empty() ? "" : ", ") + std::string(profile);
    rows += "| " + cve.id + " | `" + cve.component + "` | " + cve.fault + " | " + cve.needs +
            " | " + (built.empty() ? "-" : built) + " | " + Reason(cve) + " |\n";
  }
  if (rows.empty()) return "";
  return std::string("\n## ") + Heading(status) +
         "\n| CVE | component | what goes wrong | what an attacker needs | built in | evidence |\n"
         "|---|---|---|---|---|---|\n" +
         rows;
}

constexpr CveStatus kOrder[] = {CveStatus::kAffected,    CveStatus::kInvestigated,
                                CveStatus::kPatch,       CveStatus::kBase,
                                CveStatus::kNotAffected, CveStatus::kNotBuilt};

}  // namespace

std::string SecurityPage(const CveList& list) {
  std::string page =
      "# Known vulnerabilities\n\n"
      "What we know of each CVE of QEMU since 2023, as of " +
      list.updated +
      ". `debian/security/cve.toml` is the\nsource of this page and of the OpenVEX statement that "
      "the packages install as\n`/usr/share/doc/PACKAGE/openvex.json`, where PACKAGE is "
      "`qemu-system-common` or `qemu-kata`.\nBoth are made by `build/tests/scripts/security/"
      "security --write`; a suite of `scripts/check` fails\nwhen they differ from the source, when "
      "a "
      "patch or its test is missing, and when a binary contains\nwhat the table calls not built. "
      "[`maintain.md`](maintain.md#a-new-cve) says what to do about a new\nCVE.\n\n"
      "Scanners that know only Debian's version of the source package report what our patches fix; "
      "give\nthem the statement, for example `grype --vex` or `trivy --vex`.\n\n"
      "| status | host | kata |\n|---|---|---|\n";
  for (const CveStatus status : kOrder) {
    page += std::string("| ") + Heading(status);
    for (const char* profile : kProfiles)
      page += " | " +
              std::to_string(std::count_if(list.cves.begin(), list.cves.end(), [&](const Cve& cve) {
                return cve.StatusIn(profile) == status;
              }));
    page += " |\n";
  }
  for (const CveStatus status : kOrder) page += Table(list, status);
  return page;
}

std::string OpenVex(const CveList& list) {
  ordered_json document{{"@context", "https://openvex.dev/ns/v0.2.0"},
                        {"@id", "urn:stx-qemu:openvex:@VERSION@"},
                        {"author", "stx-qemu developers"},
                        {"timestamp", list.updated + "T00:00:00Z"},
                        {"version", 1},
                        {"statements", ordered_json::array()}};
  for (const Cve& cve : list.cves)
    for (const char* profile : kProfiles) document["statements"].push_back(Statement(cve, profile));
  return document.dump(1) + "\n";
}

}  // namespace stx
