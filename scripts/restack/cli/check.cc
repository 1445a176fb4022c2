// SPDX-License-Identifier: GPL-2.0-or-later
// check, graph, compare: about a series as it is.
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "restack/dep3.h"
#include "restack/graph.h"
#include "restack/lint.h"
#include "restack/merge.h"

namespace restack::cli {

using nlohmann::json;

void AddCheck(CLI::App& app, Context& context, int& exit) {
  struct Options {
    std::string base, root;
    std::vector<std::string> fields = {"Description", "Origin",    "Forwarded",
                                       "Applies-To",  "Tested-By", "Last-Update"};
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("check");
  command->add_option("--base", options->base)->required();
  command->add_option("--root", options->root);
  command->add_option("--field", options->fields);
  command->callback([=, &context, &exit] {
    Result<Series> series = context.OpenSeries(context.series);
    if (!series) {
      exit = Fail(series.error());
      return;
    }
    Result<std::shared_ptr<Tree>> base = context.OpenBase(options->base);
    if (!base) {
      exit = Fail(base.error());
      return;
    }
    std::vector<Finding> findings = Lint(*series, **base, options->fields, options->root);
    exit = findings.empty() ? kClean : kNeedsPerson;
    if (context.json) {
      json list = json::array();
      for (const Finding& finding : findings)
        list.push_back({{"patch", finding.patch}, {"finding", finding.message}});
      std::printf(
          "%s\n",
          Dump(json{{"base", (*base)->Name()},
                    {"patches", series->patches.size()},
                    {"findings", list}})
              .c_str());
      return;
    }
    for (const Finding& finding : findings)
      std::printf("%s%s%s: %s\n", context.series.c_str(), finding.patch.empty() ? "" : "/",
                  finding.patch.c_str(), finding.message.c_str());
    std::printf("%zu patches on %s: %zu findings\n", series->patches.size(),
                (*base)->Name().c_str(), findings.size());
  });
}

void AddGraph(CLI::App& app, Context& context, int& exit) {
  auto base = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("graph");
  command->add_option("--base", *base)->required();
  command->callback([=, &context, &exit] {
    Result<Series> series = context.OpenSeries(context.series);
    if (!series) {
      exit = Fail(series.error());
      return;
    }
    Result<std::shared_ptr<Tree>> tree = context.OpenBase(*base);
    Result<std::vector<Dependency>> found = tree ? Dependencies(*series, *tree) : tree.error();
    if (!found) {
      exit = Fail(found.error());
      return;
    }
    json list = json::array();
    for (const Dependency& dependency : *found) {
      const std::string &patch = series->patches[dependency.patch].name,
                        &needs = series->patches[dependency.needs].name;
      if (context.json) {
        list.push_back({{"patch", patch},
                        {"needs", needs},
                        {"by", dependency.textual ? "lines" : "names"},
                        {"evidence", dependency.evidence}});
        continue;
      }
      std::printf("%s needs %s: %s", patch.c_str(), needs.c_str(),
                  dependency.textual ? "lines of" : "names");
      for (size_t i = 0; i < std::min<size_t>(dependency.evidence.size(), 6); ++i)
        std::printf("%s %s", i ? "," : "", dependency.evidence[i].c_str());
      std::printf("%s\n", dependency.evidence.size() > 6 ? ", ..." : "");
    }
    if (context.json) std::printf("%s\n", Dump(list).c_str());
  });
}

namespace {
/// A patch without what a rebase changes for no reason: line numbers, ids, functions behind the @@.
std::string Essence(const Patch& patch) {
  std::string text;
  for (const FileChange& file : patch.files) {
    text += "--- " + file.OldPath() + "\n+++ " + file.Path() + "\n";
    for (const Hunk& hunk : file.hunks) {
      text += "@@\n";
      for (const HunkLine& line : hunk.lines) text += line.kind + std::string(line.text);
    }
  }
  return text;
}
}  // namespace

void AddCompare(CLI::App& app, Context& context, int& exit) {
  auto other = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("compare");
  command->add_option("other", *other)->required();
  command->callback([=, &context, &exit] {
    Result<Series> mine = context.OpenSeries(context.series), theirs = context.OpenSeries(*other);
    if (!mine || !theirs) {
      exit = Fail(!mine ? mine.error() : theirs.error());
      return;
    }
    std::map<std::string, size_t> by_name;
    for (size_t i = 0; i < theirs->patches.size(); ++i) by_name[theirs->patches[i].name] = i;
    json list = json::array();
    bool different = false;
    auto say = [&](const std::string& name, const char* verdict, const std::string& difference) {
      different = different || std::string(verdict) != "identical";
      if (context.json) {
        list.push_back({{"patch", name}, {"verdict", verdict}, {"difference", difference}});
      } else {
        std::printf("%s: %s\n%s", name.c_str(), verdict, difference.c_str());
      }
    };
    for (size_t i = 0; i < mine->patches.size(); ++i) {
      const Patch& patch = mine->patches[i];
      auto at = by_name.find(patch.name);
      if (at == by_name.end()) {
        say(patch.name, "only here", "");
        continue;
      }
      size_t j = at->second;
      by_name.erase(at);
      if (mine->originals[i] == theirs->originals[j]) {
        say(patch.name, "identical", "");
        continue;
      }
      Text before(Essence(patch)), after(Essence(theirs->patches[j]));
      if (before.bytes() == after.bytes()) {
        say(patch.name, "only numbers or its head differ", "");
        continue;
      }
      std::string difference;
      for (const Hunk& hunk : DiffHunks(before, after))
        for (std::string_view line : SplitLines(Print(hunk)))
          difference += "    " + std::string(line);
      say(patch.name, "differs", difference);
    }
    for (const auto& [name, i] : by_name) say(name, "only there", "");
    if (context.json) std::printf("%s\n", Dump(list).c_str());
    exit = different ? kNeedsPerson : kClean;
  });
}

}  // namespace restack::cli
