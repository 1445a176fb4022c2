// SPDX-License-Identifier: GPL-2.0-or-later
#include "restack/series.h"

#include <charconv>
#include <set>
#include <sstream>

#include "restack/text.h"

namespace restack {

namespace {

/// A name may not lead out of the series' folder.
bool LeadsOut(const std::string& name) {
  if (name.starts_with('/')) return true;
  std::istringstream parts(name);
  for (std::string part; std::getline(parts, part, '/');)
    if (part == "..") return true;
  return false;
}

/// Without a comment: from a # at the start or behind white space, as quilt and dpkg-source read it.
std::string_view WithoutComment(std::string_view line) {
  for (size_t at = 0; at < line.size(); ++at)
    if (line[at] == '#' && (at == 0 || IsBlank(line.substr(at - 1, 1)))) return line.substr(0, at);
  return line;
}

}  // namespace

Result<SeriesFile> ParseSeries(std::string_view bytes, const std::string& name) {
  SeriesFile series;
  std::set<std::string> known;
  size_t number = 0;
  for (std::string_view line : SplitLines(bytes)) {
    ++number;
    auto wrong = [&](const std::string& why) {
      return Error{name + ":" + std::to_string(number) + ": " + why};
    };
    if (number == 1 && line.starts_with("\xef\xbb\xbf"))
      return wrong("the file begins with a byte order mark, which is part of the name for quilt");
    SeriesEntry entry;
    entry.raw = line;
    std::string content(WithoutComment(line));
    if (content.find('\0') != std::string::npos) return wrong("the line has a zero byte");
    std::istringstream words(content);
    for (std::string word; words >> word;) {
      if (entry.patch.empty()) {
        if (word[0] == '+' || word[0] == '-')
          return wrong("\"" + word + "\" is a guard, which quilt does not read: make the series " +
                       "with guards(1) first");
        if (LeadsOut(word)) return wrong(word + " leads out of the folder of the series");
        if (!known.insert(word).second) return wrong(word + " is listed twice");
        entry.patch = word;
      } else if (StartsWith(word, "-p")) {
        std::string level = word.substr(2);
        if (level.empty() && !(words >> level)) level.clear();
        if (level == "ab") continue;
        auto [end, error] = std::from_chars(level.data(), level.data() + level.size(), entry.strip);
        if (error != std::errc() || end != level.data() + level.size() || entry.strip < 0 ||
            entry.strip > 100)
          return wrong("-p wants a number, not \"" + level + "\"");
      } else if (word == "-R") {
        entry.reverse = true;
      } else if (word != "--fuzz=0" && word != "-F0") {
        return wrong("a series line is a patch, -pN and -R; \"" + word + "\" is none of them");
      }
    }
    series.entries.push_back(std::move(entry));
  }
  return series;
}

std::string Print(const SeriesFile& series) {
  std::string text;
  for (const SeriesEntry& entry : series.entries) text += entry.raw;
  return text;
}

}  // namespace restack
