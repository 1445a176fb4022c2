// SPDX-License-Identifier: GPL-2.0-or-later
#include "restack/lint.h"

#include <filesystem>
#include <sstream>

#include "restack/apply.h"
#include "restack/dep3.h"

namespace restack {

std::vector<Finding> Lint(const Series& series, const Tree& base,
                          const std::vector<std::string>& fields, const std::string& root) {
  std::vector<Finding> findings;
  MemoryTree tree(std::shared_ptr<const Tree>(&base, [](const Tree*) {}));
  if (series.patches.empty()) findings.push_back({"", "the series has no patch"});
  for (size_t i = 0; i < series.patches.size(); ++i) {
    const Patch& original = series.patches[i];
    auto say = [&](const std::string& message) { findings.push_back({original.name, message}); };
    Patch patch = series.reverse[i] ? Reversed(original) : original;
    if (patch.files.empty()) say("it changes no file");
    for (const std::string& ignored : patch.ignored) say(ignored);
    ApplyEach(patch, series.strip[i], tree, [&](const FileChange&, const Result<Effect>& effect) {
      if (effect) return true;
      std::string message = effect.error().message, own = patch.name + ": ";
      say(StartsWith(message, own) ? message.substr(own.size()) : message);
      return true;
    });
    Dep3 head = ParseDep3(original.header);
    size_t last = 0;
    bool ordered = true;
    for (const std::string& name : fields) {
      const Dep3Field* field = head.Find(name);
      if (!field || Trim(field->value).empty()) {
        say("its head has no " + name + ": field");
        continue;
      }
      ordered = ordered && field->begin >= last;
      last = field->begin;
    }
    if (!ordered) {
      std::string order;
      for (const std::string& name : fields) order += (order.empty() ? "" : ", ") + name;
      say("the fields of its head are not in the order " + order);
    }
    const Dep3Field* date = head.Find("Last-Update");
    if (date && (date->value.size() != 10 || date->value[4] != '-' || date->value[7] != '-'))
      say("Last-Update is a date as 2026-01-31, not \"" + date->value + "\"");
    const Dep3Field* tests = head.Find("Tested-By");
    if (!tests || root.empty()) continue;
    std::string list = tests->value;
    for (char& c : list)
      if (c == ',') c = ' ';
    std::istringstream words(list);
    // FILE, or FILE:CASES, which are scripts/prove's.
    for (std::string file; words >> file;)
      if (std::error_code error;
          !std::filesystem::is_regular_file(root + "/" + file.substr(0, file.find(':')), error))
        say("Tested-By names " + file + ", which is not there");
  }
  return findings;
}

}  // namespace restack
