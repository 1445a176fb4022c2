// SPDX-License-Identifier: GPL-2.0-or-later
#include "security/cve_check.h"

#include <algorithm>
#include <map>
#include <regex>
#include <sstream>

#include "base/arguments.h"
#include "restack/folder.h"
#include "runner/proof.h"

namespace stx {
namespace {

std::set<std::string> Ids(const std::string& text) {
  static const std::regex id("CVE-[0-9]{4}-[0-9]{4,}");
  std::set<std::string> ids;
  for (std::sregex_iterator match(text.begin(), text.end(), id), end; match != end; ++match)
    ids.insert(match->str());
  return ids;
}

/// With one space wherever the text has white space: lines of a changelog are wrapped.
std::string Unwrapped(const std::string& text) {
  std::string one;
  std::istringstream words(text);
  for (std::string word; words >> word;) one += (one.empty() ? "" : " ") + word;
  return one;
}

/// The text of each version in a Debian changelog, unwrapped.
std::map<std::string, std::string> Versions(const std::string& changelog) {
  static const std::regex head("[a-z0-9.+-]+ \\(([^)]+)\\) .*");
  std::map<std::string, std::string> versions;
  std::string version;
  std::istringstream lines(changelog);
  for (std::string line; std::getline(lines, line);) {
    if (std::smatch match; std::regex_match(line, match, head))
      version = match[1];
    else
      versions[version] += line + "\n";
  }
  for (auto& [name, text] : versions) text = Unwrapped(text);
  return versions;
}

}  // namespace

std::vector<PatchFacts> ReadPatchFacts(const std::filesystem::path& root) {
  const auto series = restack::ReadSeries((root / "patches").string());
  if (!series) throw BadInput(series.error().message);
  const std::vector<PatchClaims> claims = ReadClaims(root / "patches");
  std::vector<PatchFacts> facts;
  for (size_t i = 0; i < claims.size(); ++i) {
    const std::vector<TestClaim>& tests = claims[i].tests;
    const auto exists = [&](const TestClaim& test) {
      return std::filesystem::exists(root / test.file);
    };
    facts.push_back({claims[i].patch, Ids(series->patches[i].header),
                     !tests.empty() && std::all_of(tests.begin(), tests.end(), exists)});
  }
  return facts;
}

std::vector<std::string> CheckPatches(const CveList& list, const std::vector<PatchFacts>& patches) {
  std::vector<std::string> faults;
  std::map<std::string, const Cve*> listed;
  for (const Cve& cve : list.cves) listed[cve.id] = &cve;
  std::map<std::string, const PatchFacts*> series;
  for (const PatchFacts& patch : patches) series[patch.name] = &patch;

  for (const Cve& cve : list.cves) {
    for (const std::string& name : cve.patches) {
      const auto found = series.find(name + ".patch");
      if (found == series.end())
        faults.push_back(cve.id + ": patches/series has no " + name + ".patch");
      else if (!found->second->cves.contains(cve.id))
        faults.push_back(cve.id + ": the header of " + name + ".patch does not name it");
      else if (!found->second->tested)
        faults.push_back(cve.id + ": a test that " + name + ".patch names does not exist");
    }
  }
  for (const PatchFacts& patch : patches) {
    for (const std::string& id : patch.cves) {
      const auto found = listed.find(id);
      const std::string name = patch.name.substr(0, patch.name.rfind(".patch"));
      if (found == listed.end())
        faults.push_back(id + ": " + patch.name + " names it, but the list does not have it");
      else if (const auto& own = found->second->patches;
               std::find(own.begin(), own.end(), name) == own.end())
        faults.push_back(id + ": " + patch.name +
                         " names it, but the list does not name the patch");
    }
  }
  return faults;
}

std::vector<std::string> CheckChangelog(const CveList& list, const std::string& changelog,
                                        int first_year) {
  std::vector<std::string> faults;
  const std::map<std::string, std::string> versions = Versions(changelog);
  std::set<std::string> in_base, listed;
  for (const Cve& cve : list.cves) {
    listed.insert(cve.id);
    if (cve.status != CveStatus::kBase) continue;
    in_base.insert(cve.id);
    const auto version = versions.find(cve.base);
    if (version == versions.end())
      faults.push_back(cve.id + ": Debian's changelog has no version " + cve.base);
    else if (version->second.find(Unwrapped(cve.changelog)) == std::string::npos)
      faults.push_back(cve.id + ": the changelog of " + cve.base + " does not have \"" +
                       cve.changelog + "\"");
  }
  for (const std::string& id : Ids(changelog)) {
    if (std::stoi(id.substr(4, 4)) < first_year) continue;
    if (!listed.contains(id))
      faults.push_back(id + ": Debian's changelog names it, but the list does not have it");
    else if (!in_base.contains(id))
      faults.push_back(id + ": Debian's changelog names it, but its status is not \"base\"");
  }
  return faults;
}

std::vector<std::string> CheckMarkers(const CveList& list, const std::string& profile,
                                      const std::function<bool(const std::string&)>& has) {
  std::vector<std::string> faults;
  for (const Cve& cve : list.cves) {
    if (cve.markers.empty()) continue;
    const auto there = std::find_if(cve.markers.begin(), cve.markers.end(), has);
    const bool not_built = cve.StatusIn(profile) == CveStatus::kNotBuilt;
    if (not_built && there != cve.markers.end())
      faults.push_back(cve.id + ": profile " + profile + " has " + *there +
                       ", but the list says that it is not built");
    if (!not_built && there == cve.markers.end())
      faults.push_back(cve.id + ": profile " + profile +
                       " has none of its markers, but the list "
                       "does not say that it is not built");
  }
  return faults;
}

}  // namespace stx
