// SPDX-License-Identifier: GPL-2.0-or-later
#include "restack/series.h"

#include <charconv>
#include <sstream>

#include "restack/text.h"

namespace restack {

Result<SeriesFile> ParseSeries(std::string_view bytes, const std::string& name) {
  SeriesFile series;
  size_t number = 0;
  for (std::string_view line : SplitLines(bytes)) {
    ++number;
    SeriesEntry entry;
    entry.raw = line;
    std::string content(line.substr(0, std::min(line.size(), line.find('#'))));
    std::istringstream words(content);
    for (std::string word; words >> word;) {
      if (entry.patch.empty() && (word[0] == '+' || word[0] == '-'))
        continue;  // a guard stands before the name
      if (entry.patch.empty()) {
        entry.patch = word;
      } else if (StartsWith(word, "-p")) {
        std::string level = word.substr(2);
        if (level.empty() && !(words >> level)) level.clear();
        if (level == "ab") continue;
        auto [end, error] = std::from_chars(level.data(), level.data() + level.size(), entry.strip);
        if (error != std::errc() || end != level.data() + level.size() || entry.strip < 0 ||
            entry.strip > 100)
          return Error{name + ":" + std::to_string(number) + ": -p wants a number, not \"" + level +
                       "\""};
      } else if (word == "-R") {
        entry.reverse = true;
      } else {
        return Error{name + ":" + std::to_string(number) +
                     ": a series line is a patch, -pN and -R; \"" + word + "\" is none of them"};
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
