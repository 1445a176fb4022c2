// SPDX-License-Identifier: GPL-2.0-or-later
// matrix and report: a series on many bases at once.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "commands.h"
#include "print.h"
#include "restack/html_report.h"
#include "restack/json_report.h"

namespace restack::cli {

using nlohmann::json;

namespace {

/// The series, when all that it is moved to has been read, too.
Result<Series> OpenWarm(Context& context, const std::string& from, std::vector<std::string> bases) {
  if (!from.empty()) bases.push_back(from);
  if (StartsWith(context.series, "debian:")) bases.push_back(context.series.substr(7));
  if (Result<void> done = context.Warm(std::move(bases)); !done) return done.error();
  return context.OpenSeries(context.series);
}

/// A series on several bases.
struct Verdicts {
  Series series;
  std::vector<SeriesVerdict> verdicts;

  bool Open() const {
    return std::any_of(verdicts.begin(), verdicts.end(),
                       [](const SeriesVerdict& verdict) { return verdict.Open(); });
  }
};

Result<Verdicts> RunMatrix(Context& context, const std::string& from,
                           const std::vector<std::string>& bases) {
  Verdicts result;
  Result<Series> series = OpenWarm(context, from, bases);
  if (!series) return series.error();
  result.series = std::move(*series);
  std::vector<RebaseInput> inputs;
  for (const std::string& base : bases) {
    // A store of its own for each: their trees are read at the same time. A package that is not
    // kept yet is read here.
    Result<RebaseInput> input = context.Apart().Input(result.series, base, from);
    if (!input) return input.error();
    if (bases.size() > 1) input->progress = {};  // they run at the same time
    inputs.push_back(std::move(*input));
  }
  std::vector<std::optional<Result<RebaseOutcome>>> outcomes(bases.size());
  std::atomic<size_t> next = 0;
  auto work = [&] {
    for (size_t i; (i = next++) < inputs.size();) {
      outcomes[i] = Rebase(inputs[i]);
      inputs[i] = {};  // its trees are no longer needed
    }
  };
  {
    std::vector<std::jthread> threads;
    size_t at_once = std::min<size_t>(bases.size(), std::thread::hardware_concurrency());
    while (threads.size() + 1 < at_once) threads.emplace_back(work);
    work();
  }
  for (auto& outcome : outcomes) {
    if (!*outcome) return outcome->error();
    result.verdicts.push_back(std::move((*outcome)->verdict));
  }
  return result;
}

}  // namespace

void AddMatrix(CLI::App& app, Context& context, int& exit) {
  struct Options {
    std::string from;
    std::vector<std::string> onto;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("matrix");
  command->add_option("onto", options->onto)->required();
  command->add_option("--from", options->from);
  command->callback([=, &context, &exit] {
    Result<Verdicts> run = RunMatrix(context, options->from, options->onto);
    if (!run) {
      exit = Fail(run.error());
      return;
    }
    const std::vector<SeriesVerdict>* verdicts = &run->verdicts;
    if (run->Open()) exit = kNeedsPerson;
    if (context.json) {
      json list = json::array();
      for (const SeriesVerdict& verdict : *verdicts)
        list.push_back(json::parse(JsonReport(verdict)));
      std::printf("%s\n", Dump(list).c_str());
      return;
    }
    size_t width = 5;
    for (const Patch& patch : run->series.patches) width = std::max(width, patch.name.size());
    std::printf("%-*s", static_cast<int>(width), "");
    for (const std::string& base : options->onto) std::printf("  %16.16s", base.c_str());
    std::printf("\n");
    auto cell = [&](size_t landed, size_t upstream, size_t open) {
      std::string text = std::to_string(landed);
      if (upstream) text += " +" + std::to_string(upstream) + "up";
      if (open) text += " !" + std::to_string(open);
      std::printf("  %16s", text.c_str());
    };
    auto row = [&](const std::string& name, auto count) {
      std::printf("%-*s", static_cast<int>(width), name.c_str());
      for (const SeriesVerdict& verdict : *verdicts) {
        size_t landed = 0, upstream = 0, open = 0;
        for (const PatchVerdict& patch : verdict.patches)
          if (count(patch))
            for (const HunkVerdict& hunk : patch.hunks)
              landed += hunk.Landed() && !hunk.Open(), upstream += hunk.grade == Grade::kUpstream,
                  open += hunk.Open();
        cell(landed, upstream, open);
      }
      std::printf("\n");
    };
    for (const Patch& patch : run->series.patches)
      row(patch.name, [&](const PatchVerdict& verdict) { return verdict.name == patch.name; });
    row("all", [](const PatchVerdict&) { return true; });
    std::printf("hunks landed, +N upstream, !N for a person\n");
  });
}

void AddReport(CLI::App& app, Context& context, int& exit) {
  struct Options {
    std::string from, html;
    std::vector<std::string> onto;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("report");
  command->add_option("onto", options->onto)->required();
  command->add_option("--from", options->from);
  command->add_option("--html", options->html);
  command->callback([=, &context, &exit] {
    Result<Verdicts> run = RunMatrix(context, options->from, options->onto);
    if (!run) {
      exit = Fail(run.error());
      return;
    }
    const std::vector<SeriesVerdict>* verdicts = &run->verdicts;
    if (run->Open()) exit = kNeedsPerson;
    if (!options->html.empty()) {
      if (Result<void> done = WriteFile(options->html, HtmlReport(*verdicts)); !done)
        exit = Fail(done.error());
      return;
    }
    json list = json::array();
    for (const SeriesVerdict& verdict : *verdicts) {
      if (context.json)
        list.push_back(json::parse(JsonReport(verdict)));
      else
        std::printf("%s\n", ToText(verdict, Detail::kAll, Colour()).c_str());
    }
    if (context.json) std::printf("%s\n", Dump(list).c_str());
  });
}

}  // namespace restack::cli
