// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>

#include "restack/store.h"

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

std::vector<SourcePackage> FindPackages(const std::string& folder) {
  // NAME_VERSION.orig.tar.*, NAME_VERSION-REVISION.debian.tar.*; a .dsc says that apt has checked
  // both.
  std::map<std::string, std::string> orig, debian;
  std::vector<std::string> described;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    std::string file = entry.path().filename().string();
    if (EndsWith(file, ".asc")) continue;
    if (size_t at = file.find(".orig.tar."); at != std::string::npos)
      orig[file.substr(0, at)] = entry.path();
    if (size_t at = file.find(".debian.tar."); at != std::string::npos)
      debian[file.substr(0, at)] = entry.path();
    if (EndsWith(file, ".dsc")) described.push_back(file.substr(0, file.size() - 4));
  }
  std::vector<SourcePackage> packages;
  auto add = [&](const std::string& key, std::string tarball, std::string patches) {
    size_t underscore = key.find('_');
    if (underscore == std::string::npos) return;
    packages.push_back({key.substr(0, underscore), key.substr(underscore + 1), std::move(tarball),
                        std::move(patches)});
  };
  std::vector<std::string> used;
  for (const std::string& key : described) {
    std::string upstream = key.substr(0, key.rfind('-'));
    if (!orig.count(upstream) || !debian.count(key)) continue;
    add(key, orig[upstream], debian[key]);
    used.push_back(upstream);
  }
  for (const auto& [key, file] : orig)
    if (std::find(used.begin(), used.end(), key) == used.end()) add(key, file, "");
  std::sort(packages.begin(), packages.end(), [](const SourcePackage& a, const SourcePackage& b) {
    return a.name != b.name ? a.name < b.name : CompareVersions(a.version, b.version) < 0;
  });
  return packages;
}

}  // namespace restack
