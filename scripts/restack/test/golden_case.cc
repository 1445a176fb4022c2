// SPDX-License-Identifier: GPL-2.0-or-later
#include "golden_case.h"

#include <algorithm>
#include <iterator>
#include <sstream>

namespace restack::golden {
namespace {

constexpr const char* kWords[] = {"base",    "target", "other",  "blob",    "patch", "series",
                                  "maps",    "map",    "result", "text",    "note",  "resolution",
                                  "compile", "generator", "error",  "fields", "verdict", "needs"};

}  // namespace

bool Section::Has(const std::string& argument) const {
  return std::find(arguments.begin(), arguments.end(), argument) != arguments.end();
}

std::vector<const Section*> Case::All(const std::string& word) const {
  std::vector<const Section*> found;
  for (const Section& section : sections)
    if (section.word == word) found.push_back(&section);
  return found;
}

const Section* Case::One(const std::string& word) const {
  auto found = All(word);
  return found.size() == 1 ? found[0] : nullptr;
}

Result<Case> ReadCase(const std::string& bytes, const std::string& name) {
  Case result;
  size_t number = 0;
  for (std::string_view line : SplitLines(bytes)) {
    ++number;
    if (!StartsWith(line, "=== ")) {
      (result.sections.empty() ? result.shows : result.sections.back().text) += line;
      continue;
    }
    Section section;
    section.line = number;
    std::istringstream words{std::string(line.substr(4))};
    words >> section.word;
    for (std::string word; words >> word;) section.arguments.push_back(word);
    if (std::find(std::begin(kWords), std::end(kWords), section.word) == std::end(kWords))
      return Error{name + ":" + std::to_string(number) + ": no section is called " + section.word};
    result.sections.push_back(std::move(section));
  }
  if (Trim(result.shows).empty()) return Error{name + ": its first line must say what it shows"};
  return result;
}

TreeFile FileOf(const Section& section) {
  std::string text = section.text;
  if (section.Has("no-newline") && !text.empty()) text.pop_back();
  TreeFile file{Text(text)};
  for (const std::string& argument : section.arguments)
    if (StartsWith(argument, "01"))
      file.mode = static_cast<unsigned>(std::stoul(argument, nullptr, 8));
  return file;
}

Result<Expected> ReadExpected(const std::string& line) {
  Expected expected;
  size_t colon = line.find(": ");
  if (colon == std::string::npos) return Error{"\"" + line + "\" is not PATCH FILE NUMBER: ..."};
  std::istringstream head(line.substr(0, colon));
  head >> expected.patch >> expected.file >> expected.number;
  std::string rest = line.substr(colon + 2);
  size_t quote = rest.find('"');
  std::string said = rest.substr(0, quote);
  // GRADE may be several words; a place has a colon.
  std::istringstream words(said);
  for (std::string word; words >> word;) {
    bool ends = word.back() == ',';
    if (ends) word.pop_back();
    if (word.find(':') != std::string::npos)
      expected.place = word;
    else if (word == "checked" || word == "broken" || word == "unchecked")
      expected.check = word;
    else
      expected.grade += (expected.grade.empty() ? "" : " ") + word;
  }
  while (quote != std::string::npos) {
    size_t end = rest.find('"', quote + 1);
    if (end == std::string::npos) return Error{"a quote is not closed in \"" + line + "\""};
    expected.words.push_back(rest.substr(quote + 1, end - quote - 1));
    quote = rest.find('"', end + 1);
  }
  return expected;
}

}  // namespace restack::golden
