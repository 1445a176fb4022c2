// SPDX-License-Identifier: GPL-2.0-or-later
// Runs the tools of a maintainer on the same series and reports what each did with every hunk.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <set>

#include "../cli/context.h"
#include "judge.h"
#include "restack/semantic.h"

namespace {

using namespace restack;
using namespace restack::measure;

struct Options {
  std::string onto, from, work = "build/measure", tree, build;
  bool hunks = false;
};

/// How many of a tool's claimed hunks the target's own compiler refuses.
Result<std::map<size_t, std::string>> Compile(const Options& options, const ToolRun& run,
                                              const std::vector<HunkFacts>& facts,
                                              const std::vector<Judgement>& judged,
                                              std::shared_ptr<const Tree> target) {
  RebaseOutcome outcome;
  outcome.landed = std::make_shared<MemoryTree>(target);
  std::map<std::string, std::string> last;
  for (const Outcome& patch : run.patches)
    for (const auto& [path, text] : patch.after) last[path] = text;
  for (const auto& [path, text] : last) {
    Result<std::optional<TreeFile>> own = target->Read(path);
    if (own && *own && (*own)->text.bytes() == text) continue;
    outcome.landed->Write(path, {Text(text), own && *own ? (*own)->mode : 0100644});
  }
  std::vector<std::pair<size_t, size_t>> at;  // position in the verdict of each fact
  for (size_t i = 0; i < facts.size(); ++i) {
    auto& patches = outcome.verdict.patches;
    while (patches.size() <= facts[i].patch) patches.push_back({});
    HunkVerdict hunk;
    hunk.file = hunk.target = facts[i].file;
    // A function or a file may have moved: the file that already has its first line.
    for (const auto& [path, text] : run.patches[facts[i].patch].after)
      if (!facts[i].added.empty() &&
          Squeeze(text).find(facts[i].added.front()) != std::string::npos)
        hunk.target = path;
    hunk.number = facts[i].hunk + 1;
    hunk.grade = judged[i] == Judgement::kRefused ? Grade::kConflict
                 : facts[i].share == Share::kAll  ? Grade::kUpstream
                                                  : Grade::kMerged;
    hunk.line = 1;
    std::string before;
    for (const std::string& line : facts[i].added) before += "+" + line + "\n";
    hunk.before = std::move(before);
    at.push_back({facts[i].patch, patches[facts[i].patch].hunks.size()});
    patches[facts[i].patch].hunks.push_back(hunk);
  }
  if (Result<void> done = CheckLanded({options.tree, options.build, ""}, *target, outcome, {});
      !done)
    return done.error();
  std::map<size_t, std::string> broken;
  for (size_t i = 0; i < facts.size(); ++i) {
    const HunkVerdict& hunk = outcome.verdict.patches[at[i].first].hunks[at[i].second];
    if (hunk.check == Check::kFailed) broken[i] = hunk.check_says;
  }
  return broken;
}

Result<void> Measure(cli::Context& context, const Options& options) {
  Result<Series> series = context.OpenSeries(context.series);
  if (!series) return series.error();
  Result<RebaseInput> input = context.Input(*series, options.onto, options.from);
  if (!input) return input.error();
  std::shared_ptr<const Tree> base = input->bases[ChooseBase(*series, input->bases).index];
  cli::Say("trees for the tools below " + options.work);
  Result<Ground> ground = Prepare(options.work, *series, *base, *input->target);
  if (!ground) return ground.error();
  // The judge takes moved files from restack's map; a person must have read that map
  // (printed below).
  Result<RebaseOutcome> mapped = Rebase(*input);
  if (!mapped) return mapped.error();
  std::map<std::string, std::string> moved;
  for (const FileMapping& file : mapped->verdict.files) moved[file.from] = file.to;
  std::vector<HunkFacts> facts = Facts(*series, base, [&](const std::string& path) {
    auto to = moved.find(path);
    Result<std::optional<TreeFile>> file =
        input->target->Read(to == moved.end() ? path : to->second);
    return file && *file ? (*file)->text.bytes() : std::string();
  });

  std::set<std::string> made;
  for (const Patch& patch : series->patches)
    for (const FileChange& file : patch.files) made.insert(file.Path());
  // A header of a generator ("qapi/...", "trace.h", "config-...") is in no tree; one that was in
  // the base's include/ is.
  auto header = [&](const std::string& path) {
    std::string in = "include/" + path;
    return !base->Has(in) || input->target->Has(in) || made.count(in) > 0;
  };
  std::vector<ToolRun> runs;
  auto add = [&](Result<ToolRun> run) -> Result<void> {
    if (!run) return run.error();
    cli::Say(run->name + " is done");
    runs.push_back(std::move(*run));
    return {};
  };
  for (auto tool :
       {+[](const Ground& on) { return Quilt(on, ""); },
        +[](const Ground& on) { return Quilt(on, "0"); }, +GitAm, +GitCherryPick, +PatchAndWiggle})
    if (Result<void> done = add(tool(*ground)); !done) return done;
  if (Result<void> done = add(Restack(*input)); !done) return done;

  std::printf("%s -> %s: %zu patches, %zu hunks; the target has ", base->Name().c_str(),
              input->target->Name().c_str(), series->patches.size(), facts.size());
  std::map<Share, size_t> shares;
  for (const HunkFacts& hunk : facts) ++shares[hunk.share];
  std::printf("%zu of them whole, %zu in part, %zu not\n", shares[Share::kAll],
              shares[Share::kPart], shares[Share::kNone]);
  for (const auto& [from, to] : moved)
    std::printf("  %s is %s there\n", from.c_str(), to.empty() ? "nowhere" : to.c_str());
  std::printf(
      "\n| tool | landed right | upstream, dropped | doubled | lost | in another function | header "
      "gone | does not compile | refused | seconds |\n"
      "|---|---|---|---|---|---|---|---|---|---|\n");
  std::vector<std::vector<Judgement>> judgements;
  std::vector<std::map<size_t, std::string>> broken;
  for (const ToolRun& run : runs) {
    std::vector<Judgement> judged;
    for (const HunkFacts& hunk : facts)
      judged.push_back(Judge(hunk, run.patches[hunk.patch], header));
    std::map<size_t, std::string> errors;
    if (!options.tree.empty()) {
      Result<std::map<size_t, std::string>> compiled =
          Compile(options, run, facts, judged, input->target);
      if (!compiled) return compiled.error();
      errors = *compiled;
    }
    std::map<Judgement, size_t> count;
    size_t dropped = 0;
    for (size_t i = 0; i < facts.size(); ++i) {
      if (errors.count(i) && judged[i] == Judgement::kRight) continue;
      ++count[judged[i]];
      dropped += judged[i] == Judgement::kRight && facts[i].share == Share::kAll;
    }
    std::printf("| %s | %zu | %zu | %zu | %zu | %zu | %zu | %s | %zu | %.1f |\n", run.name.c_str(),
                count[Judgement::kRight] - dropped, dropped, count[Judgement::kDoubled],
                count[Judgement::kLost], count[Judgement::kElsewhere], count[Judgement::kNoHeader],
                options.tree.empty() ? "not run" : std::to_string(errors.size()).c_str(),
                count[Judgement::kRefused], run.seconds);
    judgements.push_back(std::move(judged));
    broken.push_back(std::move(errors));
  }
  if (!options.hunks) return {};
  for (size_t i = 0; i < facts.size(); ++i) {
    std::printf("\n%s #%zu %s (%s)", series->patches[facts[i].patch].name.c_str(),
                facts[i].hunk + 1, facts[i].file.c_str(),
                facts[i].share == Share::kAll    ? "upstream"
                : facts[i].share == Share::kPart ? "in part"
                                                 : "not upstream");
    for (size_t r = 0; r < runs.size(); ++r) {
      std::printf("\n    %-16s %s", runs[r].name.c_str(), Name(judgements[r][i]));
      if (broken[r].count(i)) std::printf(": %s", broken[r][i].c_str());
    }
  }
  std::printf("\n");
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "quilt, git am -3, git rebase, patch with wiggle, and restack on the same series: what "
      "became of every hunk."};
  cli::Context context;
  Options options;
  app.add_option("onto", options.onto, "The base to move to")->required();
  app.add_option("--series", context.series, "Folder of the series, or debian:NAME=VERSION")
      ->capture_default_str();
  app.add_option("--from", options.from, "The base that it was made for");
  app.add_option("--packages", context.packages, "Folder of source packages")
      ->capture_default_str();
  app.add_option("--cache", context.cache, "Trees read from them")->capture_default_str();
  app.add_option("--work", options.work, "Folder for the tools' trees; emptied first")
      ->capture_default_str();
  auto* tree = app.add_option("--tree", options.tree, "A source tree of the target, for compiling");
  app.add_option("--build", options.build, "A build folder configured from it")->needs(tree);
  app.add_flag("--hunks", options.hunks, "A paragraph a hunk, too");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  Result<void> done = Measure(context, options);
  return done ? 0 : cli::Fail(done.error());
}
