// SPDX-License-Identifier: GPL-2.0-or-later
// Whether what the list of CVEs says is so: in the series, in Debian's changelog, in our binaries.
#pragma once

#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "security/cve_list.h"

namespace stx {

/// One patch of the series.
struct PatchFacts {
  std::string name;
  std::set<std::string> cves;  ///< that its header names
  bool tested = false;         ///< its Tested-By names tests, and each of their files exists
};
/// Those of ROOT/patches/series. Throws BadInput when it cannot be read.
std::vector<PatchFacts> ReadPatchFacts(const std::filesystem::path& root);

/// Both directions: a CVE whose patch is not in the series, does not name it or has no test; and a
/// CVE in a patch's header that the list does not give to that patch. One message per fault.
std::vector<std::string> CheckPatches(const CveList& list, const std::vector<PatchFacts>& patches);

/// Both directions, with the text of Debian's changelog: a CVE whose version there does not have
/// its words, and a CVE since `first_year` that it names and the list lacks.
std::vector<std::string> CheckChangelog(const CveList& list, const std::string& changelog,
                                        int first_year = 2023);

/// `has` says whether the binary of `profile` has a marker. A message per CVE of which one is there
/// though the profile is in not_built, or none is there though it is not.
std::vector<std::string> CheckMarkers(const CveList& list, const std::string& profile,
                                      const std::function<bool(const std::string&)>& has);

}  // namespace stx
