// SPDX-License-Identifier: GPL-2.0-or-later
// kata-release: takes what the package kata-containers needs out of an upstream release, and checks
// that the configuration names nothing that will not be there. scripts/step/kata calls it.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "base/os.h"
#include "kata/configuration.h"
#include "kata/release.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

int Main(int argc, char** argv) {
  CLI::App app{"Unpacks the files of a Kata release that a package is made from."};
  fs::path tarball, manifest, root;
  fs::path configuration, changes;
  std::vector<std::string> elsewhere;
  app.add_option("tarball", tarball, "The release")->required()->check(CLI::ExistingFile);
  app.add_option("--manifest", manifest, "What to take of it (release.toml)")->required();
  app.add_option("--root", root, "The folder that stands for / of the package")->required();
  app.add_option("--configuration", configuration,
                 "Kata's configuration below / of the package; the paths in it must be there");
  app.add_option("--changes", changes, "What is changed in it (configuration-changes.toml)")
      ->check(CLI::ExistingFile);
  app.add_option("--elsewhere", elsewhere, "A path that another package has");
  CLI11_PARSE(app, argc, argv);

  Extract(tarball, ReadSelections(manifest), root);
  if (configuration.empty()) return 0;
  const fs::path file = root / configuration.relative_path();
  if (!changes.empty())
    WriteFile(file, ApplyConfigurationChanges(ReadFile(file), ReadConfigurationChanges(changes),
                                              changes));
  for (const std::string& path : ConfiguredPaths(file)) {
    const bool other = std::find(elsewhere.begin(), elsewhere.end(), path) != elsewhere.end();
    if (!other && !fs::exists(root / fs::path(path).relative_path()))
      throw std::runtime_error(configuration.string() + " names " + path +
                               ", which is in no package");
  }
  return 0;
}

}  // namespace
}  // namespace stx

int main(int argc, char** argv) try {
  return stx::Main(argc, argv);
} catch (const std::exception& e) {
  std::fprintf(stderr, "kata-release: %s\n", e.what());
  return 1;
}
