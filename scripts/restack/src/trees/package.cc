// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>
#include <optional>

#include "restack/folder.h"
#include "restack/store.h"
#include "restack/text.h"

namespace restack {
namespace {

namespace fs = std::filesystem;

int Order(std::string_view text, size_t at) {
  if (at >= text.size() || std::isdigit(static_cast<unsigned char>(text[at]))) return 0;
  if (text[at] == '~') return -1;
  if (std::isalpha(static_cast<unsigned char>(text[at]))) return text[at];
  return static_cast<unsigned char>(text[at]) + 256;
}

bool Digit(std::string_view text, size_t at) {
  return at < text.size() && std::isdigit(static_cast<unsigned char>(text[at]));
}

}  // namespace

int CompareVersions(std::string_view a, std::string_view b) {
  size_t i = 0, j = 0;
  while (i < a.size() || j < b.size()) {
    while ((i < a.size() && !Digit(a, i)) || (j < b.size() && !Digit(b, j))) {
      if (int difference = Order(a, i) - Order(b, j)) return difference;
      ++i, ++j;
    }
    while (Digit(a, i) && a[i] == '0') ++i;
    while (Digit(b, j) && b[j] == '0') ++j;
    int first = 0;
    for (; Digit(a, i) && Digit(b, j); ++i, ++j)
      if (first == 0) first = a[i] - b[j];
    if (Digit(a, i)) return 1;
    if (Digit(b, j)) return -1;
    if (first != 0) return first;
  }
  return 0;
}

namespace {

/// What a .dsc says of its package; the files that it lists must be beside it.
std::optional<SourcePackage> ReadDescription(const fs::path& dsc) {
  SourcePackage package;
  std::string stem = dsc.stem().string();
  size_t underscore = stem.find('_');
  if (underscore == std::string::npos) return std::nullopt;
  package.name = stem.substr(0, underscore);
  package.version = stem.substr(underscore + 1);
  Result<std::string> bytes = ReadFile(dsc.string());
  if (!bytes) return std::nullopt;
  bool in_files = false;
  for (std::string_view line : SplitLines(*bytes)) {
    if (!StartsWith(line, " ")) {
      in_files = StartsWith(line, "Files:");
      continue;
    }
    if (!in_files) continue;
    std::string file(Trim(line.substr(line.rfind(' '))));
    if (EndsWith(file, ".asc") || file.find('/') != std::string::npos) continue;
    std::string path = (dsc.parent_path() / file).string();
    std::error_code error;
    if (!fs::exists(path, error)) return std::nullopt;
    constexpr std::string_view kPart = ".orig-";
    size_t part = file.find(kPart), tar = file.find(".tar.");
    if (file.find(".orig.tar.") != std::string::npos)
      package.orig = path;
    else if (part != std::string::npos && tar != std::string::npos && part < tar)
      package.components.emplace_back(
          file.substr(part + kPart.size(), tar - part - kPart.size()), path);
    else if (file.find(".debian.tar.") != std::string::npos)
      package.debian = path;
    else if (file.find(".diff.") != std::string::npos)
      package.diff = path;
    else if (tar != std::string::npos)
      package.orig = path;  // a native package
  }
  if (package.orig.empty()) return std::nullopt;
  return package;
}

}  // namespace

std::vector<SourcePackage> FindPackages(const std::string& folder) {
  std::vector<SourcePackage> packages;
  std::map<std::string, std::string> tarballs;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    std::string file = entry.path().filename().string();
    if (EndsWith(file, ".asc")) continue;
    if (size_t at = file.find(".orig.tar."); at != std::string::npos)
      tarballs[entry.path().string()] = file.substr(0, at);
    if (!EndsWith(file, ".dsc")) continue;
    if (std::optional<SourcePackage> package = ReadDescription(entry.path()))
      packages.push_back(std::move(*package));
  }
  // A tarball of no package is one by itself.
  for (const SourcePackage& package : packages) tarballs.erase(package.orig);
  for (const auto& [path, stem] : tarballs) {
    size_t underscore = stem.find('_');
    if (underscore == std::string::npos) continue;
    packages.push_back({stem.substr(0, underscore), stem.substr(underscore + 1), path, {}, "", ""});
  }
  std::sort(packages.begin(), packages.end(), [](const SourcePackage& a, const SourcePackage& b) {
    return a.name != b.name ? a.name < b.name : CompareVersions(a.version, b.version) < 0;
  });
  return packages;
}

}  // namespace restack
