// SPDX-License-Identifier: GPL-2.0-or-later
#include "read_lines.h"

#include <cstdlib>

namespace restack {
namespace {

/// Lines (begin, end) between an #if, #elif or #else and the next directive of the same depth.
struct Region {
  size_t begin, end;
};

std::vector<Region> Regions(const Lines& lines) {
  std::vector<Region> regions;
  std::vector<size_t> open;
  for (size_t i = 0; i < lines.size(); ++i) {
    std::string_view text = Trim(lines[i]);
    if (text.empty() || text[0] != '#') continue;
    text = Trim(text.substr(1));
    bool begins = StartsWith(text, "if"), turns = StartsWith(text, "el"),
         ends = StartsWith(text, "endif");
    if ((turns || ends) && !open.empty()) {
      regions.push_back({open.back(), i});
      open.pop_back();
    }
    if (begins || turns) open.push_back(i);
  }
  return regions;
}

/// Something that a compiler would have to read; a comment or a directive is not.
bool IsCode(std::string_view line) {
  line = Trim(line);
  return IsSignificant(line) && line[0] != '#' && line[0] != '*' && !StartsWith(line, "//") &&
         !StartsWith(line, "/*");
}

}  // namespace

void ReadLines::Add(const std::string& output,
                    const std::function<std::string(const std::string&)>& in_tree) {
  std::map<std::string, std::set<size_t>*> files;  // a file is named again after each #include
  std::set<size_t>* now = nullptr;
  size_t at = 0;
  for (std::string_view line : SplitLines(output)) {
    if (StartsWith(line, "# ") && line.size() > 2 && line[2] >= '0' && line[2] <= '9') {
      size_t begin = line.find('"'), end = line.rfind('"');
      if (begin == std::string_view::npos || end == begin) continue;
      std::string name(line.substr(begin + 1, end - begin - 1));
      auto [found, fresh] = files.try_emplace(name, nullptr);
      if (fresh)
        if (std::string path = in_tree(name); !path.empty()) found->second = &read_[path];
      now = found->second;
      at = std::strtoul(line.data() + 2, nullptr, 10);
      continue;
    }
    if (now && at > 0 && !IsBlank(line)) now->insert(at - 1);
    ++at;
  }
}

void ReadLines::Add(const ReadLines& other) {
  for (const auto& [path, lines] : other.read_) read_[path].insert(lines.begin(), lines.end());
}

std::string ReadLines::LeftOut(const std::string& path, const Lines& file,
                               std::string_view line) const {
  auto read = read_.find(path);
  if (read == read_.end() || !IsCode(line)) return {};
  std::string_view text = Trim(line);
  std::vector<Region> regions = Regions(file);
  std::string directive;
  for (size_t i = 0; i < file.size(); ++i) {
    if (Trim(file[i]) != text) continue;
    const Region* innermost = nullptr;
    for (const Region& region : regions)
      if (region.begin < i && i < region.end && (!innermost || region.begin > innermost->begin))
        innermost = &region;
    if (!innermost) return {};
    auto seen = read->second.lower_bound(innermost->begin + 1);
    if (seen != read->second.end() && *seen < innermost->end) return {};
    directive = Trim(file[innermost->begin]);
  }
  return directive;
}

std::string BelowMesonIf(const Lines& file, std::string_view line) {
  std::string_view wanted = Trim(line);
  if (!IsSignificant(wanted) || wanted[0] == '#' || wanted == "endif") return {};
  std::vector<std::string_view> open;
  std::string found;
  for (std::string_view each : file) {
    std::string_view text = Trim(each);
    if (StartsWith(text, "endif") && !open.empty()) open.pop_back();
    if (text == wanted) {
      if (open.empty()) return {};
      found = open.back();
    }
    if (StartsWith(text, "if ")) open.push_back(text);
  }
  return found;
}

}  // namespace restack
