// SPDX-License-Identifier: GPL-2.0-or-later
// kata-release takes from an upstream release what the package kata-containers needs, and checks
// that the configuration names only files that will exist. scripts/step/kata calls it.
#include <algorithm>

#include "base/arguments.h"
#include "base/os.h"
#include "kata/configuration.h"
#include "kata/release.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

constexpr const char* kText = R"(usage: kata-release TARBALL [OPTION...]

Unpacks the files of a Kata release that a package is made from.

  TARBALL                 (required) The release.
  --manifest PATH         (required) What to take of it (release.toml).
  --root FOLDER           (required) The folder that stands for / of the package.
  --configuration NAME    Kata's configuration below / of the package; the paths in it must be there.
  --changes PATH          What is changed in it (configuration-changes.toml).
  --elsewhere NAME        (repeatable) A path that another package has.
  -h, --help              Print this help.
)";

int Release(const Arguments& arguments) {
  const fs::path root = arguments.Value("--root");
  const fs::path configuration = arguments.Value("--configuration");
  const fs::path changes = arguments.Value("--changes");
  const std::vector<std::string>& elsewhere = arguments.Values("--elsewhere");
  Extract(arguments.Value("TARBALL"), ReadSelections(arguments.Value("--manifest")), root);
  if (configuration.empty()) return 0;
  const fs::path file = root / configuration.relative_path();
  if (!changes.empty())
    WriteFile(file, ApplyConfigurationChanges(ReadFile(file), ReadConfigurationChanges(changes),
                                              changes));
  for (const std::string& path : FindConfiguredPaths(file)) {
    const bool other = std::find(elsewhere.begin(), elsewhere.end(), path) != elsewhere.end();
    if (!other && !fs::exists(root / fs::path(path).relative_path()))
      throw std::runtime_error(configuration.string() + " names " + path +
                               ", which is in no package");
  }
  return 0;
}

}  // namespace
}  // namespace stx

int main(int argc, char** argv) {
  return stx::RunVerb("kata-release", stx::kText, "", argc, argv, stx::Release);
}
