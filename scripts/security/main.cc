// SPDX-License-Identifier: GPL-2.0-or-later
// security: checks the list of CVEs against the series and Debian's changelog, and writes the page
// and the statement that are made from it. security_test.cc checks it against the binaries, too.
#include <filesystem>
#include <iostream>

#include "base/arguments.h"
#include "base/os.h"
#include "security/cve_check.h"
#include "security/statement.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

constexpr const char* kText = R"(usage: security --root FOLDER [--write]

Checks debian/security/cve.toml, and what is made from it.

  --root FOLDER           (required) The repository.
  --write                 Write docs/security.md and debian/security/openvex.json.in anew.
  -h, --help              Print this help.
)";

int Security(const Arguments& arguments) {
  const fs::path root = arguments.Value("--root");
  const fs::path file = root / "debian/security/cve.toml";
  if (!fs::is_regular_file(file)) throw BadInput(file.string() + " does not exist");
  const CveList list = ParseCveList(ReadFile(file), file.string());
  std::vector<std::string> faults = CheckPatches(list, ReadPatchFacts(root));
  const fs::path changelog = root / "qemu-7.2/plain/debian/changelog";
  if (fs::exists(changelog))
    for (std::string& fault : CheckChangelog(list, ReadFile(changelog)))
      faults.push_back(std::move(fault));
  else
    std::cerr << "security: the base is not there (scripts/step/tree makes it): its changelog is "
                 "not compared\n";
  const std::pair<fs::path, std::string> made[] = {
      {root / "docs/security.md", SecurityPage(list)},
      {root / "debian/security/openvex.json.in", OpenVex(list)}};
  for (const auto& [path, text] : made) {
    if (arguments.Has("--write"))
      WriteFile(path, text);
    else if (!fs::exists(path) || ReadFile(path) != text)
      faults.push_back(path.string() + " is not what the list gives: run security --write");
  }
  for (const std::string& fault : faults) std::cerr << "security: " << fault << "\n";
  return faults.empty() ? 0 : 1;
}

}  // namespace
}  // namespace stx

int main(int argc, char** argv) {
  return stx::RunVerb("security", stx::kText, "", argc, argv, stx::Security);
}
