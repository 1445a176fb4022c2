// SPDX-License-Identifier: GPL-2.0-or-later
#include "builder/builder.h"

#include <yaml-cpp/yaml.h>

#include <set>
#include <sstream>
#include <stdexcept>

#include "base/process.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

/// stdout of a shell command in `dir`, with $1 and so on.
std::string Shell(const fs::path& dir, const std::string& script,
                  const std::vector<std::string>& arguments = {}) {
  std::vector<std::string> command = {"sh", "-ec", "cd \"$0\"\n" + script, dir.string()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  const std::string out = RunWell(command, script, Milliseconds(500000)).out;
  return out.ends_with('\n') ? out.substr(0, out.size() - 1) : out;
}

/// The keys that the builder knows; it would take no notice of another one.
YAML::Node ReadMetaData(const fs::path& file) {
  const YAML::Node meta = YAML::LoadFile(file);
  const std::set<std::string> known = {"debname",  "debver",    "dl_path",   "dl_files",
                                       "archive",  "src_path",  "src_files", "dl_hook",
                                       "revision", "dsc_sha256"};
  for (const auto& entry : meta)
    if (!known.count(entry.first.as<std::string>()))
      throw std::runtime_error(file.string() + ": unknown key " + entry.first.as<std::string>());
  if (!meta["debver"]) throw std::runtime_error(file.string() + ": no debver");
  return meta;
}

void CheckSum(const fs::path& file, const std::string& wanted) {
  const std::string is = Shell(file.parent_path(), "sha256sum <\"$1\"", {file.filename()});
  if (is.substr(0, 64) != wanted)
    throw std::runtime_error(file.string() + ": sha256 is " + is.substr(0, 64) + ", not " + wanted);
}

/// The lines of a series that the builder takes for names of files.
std::vector<std::string> ReadSeries(const fs::path& series) {
  std::vector<std::string> names;
  if (!fs::exists(series)) return names;
  std::istringstream lines(ReadFile(series));
  for (std::string line; std::getline(lines, line);) {
    const size_t begin = line.find_first_not_of(" \t");
    if (begin == std::string::npos || line[begin] == '#') continue;
    names.push_back(line.substr(begin, line.find_last_not_of(" \t") + 1 - begin));
  }
  return names;
}

void Unpack(const fs::path& folder, const YAML::Node& meta, const fs::path& mirror,
            const fs::path& tree) {
  const fs::path work = tree.parent_path();
  if (const YAML::Node download = meta["dl_path"]) {
    const fs::path tarball = mirror / download["name"].as<std::string>();
    CheckSum(tarball, download["sha256sum"].as<std::string>());
    fs::create_directory(tree);
    // A single folder that holds everything is left out of the paths.
    const bool top =
        Shell(work, "tar -tf \"$1\" | cut -d/ -f1 | sort -u | wc -l", {tarball}) == "1";
    Shell(tree, "tar -xf \"$1\" " + std::string(top ? "--strip-components 1" : ""), {tarball});
    Shell(work, "tar czf \"$1\" \"$2\"",
          {meta["debname"].as<std::string>() + "_" +
               tree.filename().string().substr(meta["debname"].as<std::string>().size() + 1) +
               ".orig.tar.gz",
           tree.filename()});
    Shell(tree, "mkdir -p debian && cp -r \"$1\"/* debian", {folder / "deb_folder"});
  } else {
    const std::string version = meta["debver"].as<std::string>();
    const std::string name =
        meta["debname"].as<std::string>() + "_" + version.substr(version.find(':') + 1) + ".dsc";
    CheckSum(mirror / name, meta["dsc_sha256"].as<std::string>());
    Shell(work, "dpkg-source -x \"$1\"", {mirror / name});
    // The builder works on copies in its own folder, where the new source package finds them.
    Shell(work, "cp \"$1\"/*.orig.tar.* .", {mirror});
  }
}

}  // namespace

fs::path BuildSource(const fs::path& folder, const fs::path& mirror, const fs::path& work) {
  const YAML::Node meta = ReadMetaData(folder / "meta_data.yaml");
  std::string upstream = meta["debver"].as<std::string>();
  upstream = upstream.substr(upstream.find(':') + 1);
  upstream = upstream.substr(0, upstream.rfind('-'));
  const fs::path tree = work / (meta["debname"].as<std::string>() + "-" + upstream);
  Unpack(folder, meta, mirror, tree);
  for (const std::string& patch : ReadSeries(folder / "deb_patches/series"))
    Shell(tree, "patch -s -F0 -p1 <\"$1\"", {folder / "deb_patches" / patch});

  // The format is 3.0 (quilt): dpkg-source applies them, with fuzz 0, when it makes the package.
  if (ReadFile(tree / "debian/source/format") != "3.0 (quilt)\n")
    throw std::runtime_error("debian/source/format is not 3.0 (quilt)");
  for (const std::string& patch : ReadSeries(folder / "patches/series"))
    Shell(tree,
          "mkdir -p \"debian/patches/$(dirname \"$2\")\"\n"
          "cp \"$1\" \"debian/patches/$(dirname \"$2\")\"\necho \"$2\" >>debian/patches/series",
          {folder / "patches" / patch, patch});

  // dch -p -D RELEASE -v VERSION: the version grows by the builder's own revision.
  Shell(tree,
        "version=$(dpkg-parsechangelog -S Version).stx.1\n"
        "{ printf '%s (%s) %s; urgency=medium\\n\\n  * StarlingX\\n\\n' "
        "\"$(dpkg-parsechangelog -S Source)\" \"$version\" \"$1\"\n"
        "printf ' -- Builder <builder@localhost>  Fri, 27 Nov 2026 00:00:00 +0000\\n\\n'\n"
        "cat debian/changelog; } >debian/changelog.dch\nmv debian/changelog.dch debian/changelog\n"
        "dpkg-buildpackage -nc -us -uc -S -d 2>&1",
        {folder.filename()});
  return tree;
}

std::vector<std::string> BuildPackages(const fs::path& work) {
  const fs::path build = work / "build";
  fs::create_directory(build);
  RunWell({"bash", "-c", R"sh(
. "$1/scripts/lib.sh"
mkdir -p "$CCACHE_DIR"
binds=("$2" /build "$CCACHE_DIR" /ccache)
inside_unshare=--net
cp "$3"/*.orig.tar.* "$3"/*.stx.1.dsc "$3"/*.stx.1.debian.tar.xz "$2"
inside "$SYSTEM" 'cd /build && dpkg-source -x *.dsc package && cd package
  export CCACHE_DIR=/ccache PATH=/usr/lib/ccache:$PATH
  dpkg-buildpackage -b -uc -us' >"$2/log" 2>&1 || { tail -n 20 "$2/log" >&2; exit 1; })sh",
           "builder", EnvOr("REPOSITORY", "."), build.string(), work.string()},
          "the builder's dpkg-buildpackage", Milliseconds(7200000));
  std::vector<std::string> packages;
  for (const auto& entry : fs::directory_iterator(build)) {
    const std::string name = entry.path().filename();
    if (name.ends_with(".deb") && name.find("-dbgsym_") == std::string::npos)
      packages.push_back(name);
  }
  return packages;
}

}  // namespace stx
