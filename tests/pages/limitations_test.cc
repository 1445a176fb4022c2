// SPDX-License-Identifier: GPL-2.0-or-later
// docs/limitations.md keeps its word: each row says what shows the limitation here, by a name that
// exists, or why nothing does. $REPOSITORY is where it is.
#include <fnmatch.h>
#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <sstream>

#include "base/process.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

fs::path Repository() { return EnvOr("REPOSITORY", "."); }

/// The first words of the lab's scenarios.
std::set<std::string> Scenarios() {
  std::istringstream lines(ReadFile(Repository() / "tests/lab/scenarios.txt"));
  std::set<std::string> names;
  for (std::string line; std::getline(lines, line);)
    if (!line.empty() && line[0] != '#') names.insert(line.substr(0, line.find(' ')));
  return names;
}

/// What `pattern` captures in all files of that name's ending below tests/ and scripts/.
std::set<std::string> Captured(const std::string& ending, const std::regex& pattern) {
  std::set<std::string> names;
  for (const char* folder : {"tests", "scripts"}) {
    for (const auto& entry : fs::recursive_directory_iterator(Repository() / folder)) {
      if (!entry.is_regular_file() || !entry.path().string().ends_with(ending)) continue;
      const std::string text = ReadFile(entry.path());
      for (std::sregex_iterator i(text.begin(), text.end(), pattern), end; i != end; ++i)
        names.insert((*i)[1]);
    }
  }
  return names;
}

TEST(Limitations, EachIsShownByWhatExistsOrSaysWhyNot) {
  const std::set<std::string> scenarios = Scenarios();
  const std::set<std::string> programs =
      Captured("meson.build", std::regex(R"(test\(\s*'([^']+)')"));
  const std::set<std::string> suites =
      Captured("_test.cc", std::regex(R"(TEST(?:_F|_P)?\((\w+),)"));
  std::istringstream lines(ReadFile(Repository() / "docs/limitations.md"));
  int rows = 0, shown = 0, number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (!line.starts_with("| ") || line.ends_with("| shown by |")) continue;
    SCOPED_TRACE("docs/limitations.md:" + std::to_string(number));
    ++rows;
    ASSERT_TRUE(line.ends_with(" |"));
    const size_t begin = line.rfind(" | ", line.size() - 3) + 3;
    const std::string cell = line.substr(begin, line.size() - 2 - begin);
    if (cell.starts_with("not shown here")) {
      EXPECT_TRUE(cell.starts_with("not shown here: ") && cell.size() > 30) << cell;
      continue;
    }
    ++shown;
    static const std::regex kNamed(R"((suite |case |test )?`([^`]+)`)");
    int names = 0;
    for (std::sregex_iterator i(cell.begin(), cell.end(), kNamed), end; i != end; ++i, ++names) {
      const std::string kind = (*i)[1], name = (*i)[2];
      const auto& known = kind == "suite " ? programs : kind.empty() ? scenarios : suites;
      bool found = false;
      for (const std::string& one : known) found |= fnmatch(name.c_str(), one.c_str(), 0) == 0;
      EXPECT_TRUE(found) << kind << name << ": there is none of this name";
    }
    EXPECT_GT(names, 0) << cell << ": names nothing";
  }
  EXPECT_GE(rows, 36);
  EXPECT_GE(shown, 15);
}

}  // namespace
}  // namespace stx
