// SPDX-License-Identifier: GPL-2.0-or-later
#include "runner/proof.h"

#include <fnmatch.h>

#include <algorithm>
#include <regex>
#include <sstream>

#include "base/arguments.h"
#include "restack/dep3.h"
#include "restack/folder.h"

namespace stx {
namespace {

TestClaim ParseClaim(const std::string& entry) {
  TestClaim claim;
  std::istringstream parts(entry);
  std::getline(parts, claim.file, ':');
  for (std::string pattern; std::getline(parts, pattern, ':');) claim.patterns.push_back(pattern);
  return claim;
}

const CaseResult* Find(const GtestResult& result, const std::string& name) {
  const auto found = std::find_if(result.cases.begin(), result.cases.end(),
                                  [&](const CaseResult& c) { return c.name == name; });
  return found == result.cases.end() ? nullptr : &*found;
}

}  // namespace

std::string TestClaim::Filter() const {
  std::string filter;
  for (const std::string& pattern : patterns) filter += (filter.empty() ? "" : ":") + pattern;
  return filter.empty() ? "*" : filter;
}

std::vector<PatchClaims> ReadClaims(const std::filesystem::path& patches) {
  const auto series = restack::ReadSeries(patches.string());
  if (!series) throw BadInput(series.error().message);
  std::vector<PatchClaims> claims;
  for (const restack::Patch& patch : series->patches) {
    PatchClaims one{patch.name, {}};
    const restack::Dep3 header = restack::ParseDep3(patch.header);
    if (const restack::Dep3Field* field = header.Find("Tested-By")) {
      std::string value = field->value;
      std::replace(value.begin(), value.end(), ',', ' ');
      std::istringstream words(value);
      for (std::string word; words >> word;) one.tests.push_back(ParseClaim(word));
    }
    if (one.tests.empty())
      throw BadInput((patches / patch.name).string() + ": its header names no test (Tested-By)");
    claims.push_back(std::move(one));
  }
  return claims;
}

bool LacksOption(const std::string& text) {
  static const std::regex lacks(
      "Property '[^']*' not found|invalid option|Parameter '[^']*' is unexpected|"
      "Invalid parameter '[^']*'|Parameter '[^']*' does not accept value|"
      "The command [^ ]* has not been found|is not a valid device model name|unknown command:|"
      "invalid object type: |Device '[^']*' has no property|CommandNotFound");
  return std::regex_search(text, lacks);
}

Proof Judge(const TestClaim& claim, const GtestResult& base, const GtestResult& ours) {
  Proof proof;
  const auto no = [&](const std::string& why) {
    proof.why_not = why;
    return proof;
  };
  if (!base.broken.empty()) return no("on the base the run is broken: " + base.broken);
  for (const CaseResult& c : base.cases)
    if (c.crashed) return no("on the base the test program crashes in " + c.name);
  if (!ours.broken.empty()) return no("on ours the run is broken: " + ours.broken);
  for (const CaseResult& c : ours.cases)
    if (c.verdict == Verdict::kFailed)
      return no("on ours " + c.name + " fails: " + c.FailureInALine());

  for (const std::string& pattern :
       claim.patterns.empty() ? std::vector<std::string>{"*"} : claim.patterns) {
    bool shown = false;
    std::string instead = "no case fails on the base";
    for (const CaseResult& c : base.cases) {
      if (c.verdict != Verdict::kFailed || fnmatch(pattern.c_str(), c.name.c_str(), 0) != 0)
        continue;
      const CaseResult* on_ours = Find(ours, c.name);
      const std::vector<std::string> failures = c.Failures();
      const auto behaviour =
          std::find_if(failures.begin(), failures.end(),
                       [](const std::string& failure) { return !LacksOption(failure); });
      if (behaviour == failures.end()) {
        instead = c.name + " fails on the base only for want of an option";
      } else if (!on_ours || on_ours->verdict != Verdict::kPassed) {
        instead = c.name + " fails on the base, but is not run on ours";
      } else {
        shown = true;
        const std::pair<std::string, std::string> one{c.name, InALine(*behaviour)};
        if (std::find(proof.must_fail.begin(), proof.must_fail.end(), one) == proof.must_fail.end())
          proof.must_fail.push_back(one);
      }
    }
    if (!shown) return no(pattern + ": " + instead);
  }
  return proof;
}

}  // namespace stx
