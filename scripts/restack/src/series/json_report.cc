// SPDX-License-Identifier: GPL-2.0-or-later
#include "restack/json_report.h"

#include <nlohmann/json.hpp>

namespace restack {

using nlohmann::json;

namespace {

json ToJson(const HunkVerdict& hunk, bool with_text) {
  json result = {
      {"file", hunk.file},     {"number", hunk.number},     {"target", hunk.target},
      {"line", hunk.line},     {"grade", Name(hunk.grade)}, {"scope", hunk.scope},
      {"reason", hunk.reason}, {"check", Name(hunk.check)}, {"check-says", hunk.check_says}};
  if (with_text) {
    result["before"] = hunk.before.view();
    result["after"] = hunk.after.view();
  }
  return result;
}

}  // namespace

std::string JsonReport(const SeriesVerdict& verdict, bool with_hunks) {
  json patches = json::array(), files = json::array(), functions = json::array();
  for (const PatchVerdict& patch : verdict.patches) {
    json hunks = json::array();
    for (const HunkVerdict& hunk : patch.hunks) hunks.push_back(ToJson(hunk, with_hunks));
    patches.push_back({{"name", patch.name},
                       {"summary", patch.summary},
                       {"unchanged", patch.unchanged},
                       {"resolved", patch.resolved},
                       {"upstream", patch.Upstream()},
                       {"dropped", patch.dropped},
                       {"open", patch.Open()},
                       {"notes", patch.notes},
                       {"hunks", std::move(hunks)}});
  }
  for (const FileMapping& file : verdict.files)
    files.push_back({{"from", file.from}, {"to", file.to}, {"evidence", file.evidence}});
  for (const FunctionMapping& function : verdict.functions)
    functions.push_back(
        {{"function", function.function}, {"from", function.from}, {"to", function.to}});
  json report = {
      {"base", verdict.base},     {"target", verdict.target},   {"open", verdict.Open()},
      {"hunks", verdict.Hunks()}, {"broken", verdict.Broken()}, {"patches", std::move(patches)},
      {"files", files},           {"functions", functions}};
  return report.dump(2, ' ', false, json::error_handler_t::replace);
}

}  // namespace restack
