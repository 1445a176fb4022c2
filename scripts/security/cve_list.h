// SPDX-License-Identifier: GPL-2.0-or-later
// The list of QEMU's CVEs, debian/security/cve.toml, and what we say of each.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace stx {

/// What we say of a CVE in one of our profiles.
enum class CveStatus {
  kBase,          ///< fixed in Debian's package, which is the base
  kPatch,         ///< fixed by a patch of ours
  kNotBuilt,      ///< the profile does not contain the component
  kNotAffected,   ///< the faulty code is not in QEMU 7.2
  kAffected,      ///< the fault is there
  kInvestigated,  ///< we do not know yet
};

struct Cve {
  std::string id;         ///< "CVE-2026-3842"
  std::string component;  ///< a source file or folder of QEMU
  std::string fault;      ///< what goes wrong
  std::string needs;      ///< what an attacker needs
  CveStatus status = CveStatus::kInvestigated;
  std::string base;                    ///< kBase: the version of Debian's package that fixed it
  std::string changelog;               ///< kBase: words of that version's changelog
  std::vector<std::string> patches;    ///< kPatch: as patches/series names them
  std::vector<std::string> not_built;  ///< profiles that do not contain the component
  /// How one sees in a binary whether it contains the component; any of them shows that it does:
  /// "type:T" a QOM type, "format:F" a block driver, "command:C" a QMP command, "installed:F" a
  /// file that the packages install.
  std::vector<std::string> markers;
  std::string evidence;  ///< why the status is what it is
  long line = 0;         ///< in the file

  CveStatus StatusIn(std::string_view profile) const;
};

struct CveList {
  std::string updated;  ///< the day, "2026-11-27"
  std::vector<Cve> cves;
};

/// The profiles that packages are built from.
inline constexpr const char* kProfiles[] = {"host", "kata"};

/// Throws BadInput, which names file and line: what is missing, unknown, twice, out of order, or
/// does not belong to the status.
CveList ParseCveList(std::string_view toml, std::string_view file);

}  // namespace stx
