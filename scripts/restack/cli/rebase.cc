// SPDX-License-Identifier: GPL-2.0-or-later
// rebase, continue, undo, status: a series on its way to another base.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "print.h"
#include "restack/json_report.h"
#include "restack/semantic.h"
#include "restack/session.h"

namespace restack::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string onto, from, output, build, open;
  bool all = false;
};

using nlohmann::json;

/// Runs the whole series with what is remembered, writes the session, and finishes it when nothing
/// is open. `begin`: the session begins with it, once the series has been read and landed.
int RunAll(Context& context, Session& session, const Plan& plan, bool begin, bool take_work,
           const std::string& open, bool all) {
  std::vector<std::string> bases = {plan.onto, plan.from};
  if (StartsWith(plan.series, "debian:")) bases.push_back(plan.series.substr(7));
  if (Result<void> done = context.Warm(std::move(bases)); !done) return Fail(done.error());
  Result<Series> series = context.OpenSeries(plan.series);
  if (!series) return Fail(series.error());
  Result<RebaseInput> input = context.Input(*series, plan.onto, plan.from);
  if (!input) return Fail(input.error());
  input->applies_to = context.FullVersion(plan.onto);
  auto rebase = [&]() -> Result<RebaseOutcome> {
    Result<Remembered> remembered = session.ReadRemembered();
    if (!remembered) return remembered.error();
    input->maps = std::move(remembered->maps);
    input->resolutions = std::move(remembered->resolutions);
    return Rebase(*input);
  };
  Result<RebaseOutcome> outcome = rebase();
  if (!outcome) return Fail(outcome.error());
  if (take_work && !session.Working().empty()) {
    if (Result<void> taken = session.TakeWork(*outcome); !taken) return Fail(taken.error());
    outcome = rebase();
    if (!outcome) return Fail(outcome.error());
  }
  if (!plan.build.empty()) {
    BuildTree build{plan.build + "/tree", plan.build + "/host", ""};
    if (auto done = CheckLanded(build, *input->target, *outcome, context.progress()); !done)
      return Fail(done.error());
  }
  bool clean = !outcome->verdict.Open() && open.empty();
  auto write = [&]() -> Result<void> {
    if (begin)
      if (auto done = session.Begin(plan); !done) return done;
    if (auto done = session.Write(plan, *outcome, *series, input->maps, open); !done) return done;
    return clean ? session.Finish() : Result<void>();
  };
  if (auto done = write(); !done) {
    if (begin) session.Abandon();
    return Fail(done.error());
  }
  if (context.json) {
    json text = json::parse(JsonReport(outcome->verdict));
    text["working"] = session.Working();
    text["folder"] = session.folder();
    std::printf("%s\n", Dump(text).c_str());
  } else {
    Detail detail = all ? Detail::kAll : context.quiet ? Detail::kOpen : Detail::kPatches;
    std::fputs(ToText(outcome->verdict, detail, Colour()).c_str(), stdout);
    if (clean)
      std::printf("%s has the series; `restack undo` takes it back\n", session.output().c_str());
    else
      std::printf("%s: edit its files in %s/work, then `restack continue`\n",
                  session.Working().c_str(), session.folder().c_str());
  }
  return clean ? kClean : kNeedsPerson;
}

std::string Output(const Context& context, const std::string& output) {
  return output.empty() ? context.series : output;
}

}  // namespace

void AddRebase(CLI::App& app, Context& context, int& exit) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("rebase");
  command->add_option("--onto", options->onto)->required();
  command->add_option("--from", options->from);
  command->add_option("--output", options->output);
  command->add_option("--build", options->build);
  command->add_option("--open", options->open);
  command->add_flag("--all", options->all);
  command->callback([=, &context, &exit] {
    Plan plan{context.series, options->onto, options->from, Output(context, options->output),
              options->build};
    if (StartsWith(plan.series, "debian:") && options->output.empty()) {
      exit = Fail(Error{"a package's own series needs --output"});
      return;
    }
    Result<std::unique_ptr<Session>> session = Session::Open(plan.output);
    if (!session) {
      exit = Fail(session.error());
      return;
    }
    if ((*session)->Exists() && !(*session)->Finished()) {
      exit = Fail(Error{(*session)->folder() +
                        ": a rebase is under way; `restack continue` or `restack undo`"});
      return;
    }
    exit = RunAll(context, **session, plan, true, false, options->open, options->all);
  });
}

namespace {

/// A session that waits, and what it was begun with.
struct UnderWay {
  std::unique_ptr<Session> session;
  Plan plan;
};

/// Error: no session is under way.
Result<UnderWay> OpenUnderWay(const std::string& output) {
  std::error_code error, none_there;
  Error none{"no rebase is under way (" + output + ".restack is not there)"};
  fs::path real = fs::canonical(output, none_there);
  if (none_there) real = fs::path(output);
  if (!real.has_filename()) real = real.parent_path();
  if (!fs::exists(real.string() + ".restack", error)) return none;
  Result<std::unique_ptr<Session>> session = Session::Open(output);
  if (!session) return session.error();
  if (!(*session)->Exists()) return none;
  Result<Plan> plan = (*session)->ReadPlan();
  if (!plan) return plan.error();
  return UnderWay{std::move(*session), std::move(*plan)};
}

}  // namespace

void AddContinue(CLI::App& app, Context& context, int& exit) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("continue");
  command->add_option("--output", options->output);
  command->add_option("--open", options->open);
  command->add_flag("--all", options->all);
  command->callback([=, &context, &exit] {
    Result<UnderWay> under_way = OpenUnderWay(Output(context, options->output));
    if (!under_way) {
      exit = Fail(under_way.error());
      return;
    }
    Session& session = *under_way->session;
    if (session.Finished()) {
      exit = Fail(Error{"the rebase has ended; only `restack undo` is left"});
      return;
    }
    exit = RunAll(context, session, under_way->plan, false, true, options->open, options->all);
  });
}

void AddUndo(CLI::App& app, Context& context, int& exit) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("undo");
  command->add_option("--output", options->output);
  command->callback([=, &context, &exit] {
    Result<UnderWay> under_way = OpenUnderWay(Output(context, options->output));
    if (!under_way) {
      exit = Fail(under_way.error());
      return;
    }
    Session& session = *under_way->session;
    Result<std::string> done = session.Undo();
    if (!done) {
      exit = Fail(done.error());
      return;
    }
    if (context.json)
      std::printf("%s\n", Dump(json{{"undone", *done}}).c_str());
    else
      std::printf("%s\n", done->c_str());
    if (session.Exists()) exit = RunAll(context, session, under_way->plan, false, false, "", false);
  });
}

void AddStatus(CLI::App& app, Context& context, int& exit) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("status");
  command->add_option("--output", options->output);
  command->callback([=, &context, &exit] {
    Result<UnderWay> under_way = OpenUnderWay(Output(context, options->output));
    if (!under_way) {
      exit = Fail(under_way.error());
      return;
    }
    Session& session = *under_way->session;
    Result<std::string> bytes = ReadFile(session.folder() + "/verdict.json");
    nlohmann::json verdict =
        bytes ? nlohmann::json::parse(*bytes, nullptr, false) : nlohmann::json();
    if (!verdict.is_object()) {
      exit = Fail(Error{session.folder() +
                        "/verdict.json: cannot be read; `restack continue` makes it again"});
      return;
    }
    exit = session.Finished() ? kClean : kNeedsPerson;
    if (context.json) {
      verdict["finished"] = session.Finished();
      verdict["working"] = session.Working();
      std::printf("%s\n", Dump(verdict).c_str());
      return;
    }
    std::printf("%s -> %s, step %zu%s\n", verdict["base"].get<std::string>().c_str(),
                verdict["target"].get<std::string>().c_str(), session.Step(),
                session.Finished() ? ", ended" : "");
    for (const auto& patch : verdict["patches"]) {
      std::printf("%s: %s\n", patch["name"].get<std::string>().c_str(),
                  patch["open"].get<bool>()       ? "open"
                  : patch["upstream"].get<bool>() ? "upstream"
                                                  : "done");
      if (!patch["open"].get<bool>()) continue;
      for (const auto& hunk : patch["hunks"])
        if (hunk["grade"] == "conflict" || hunk["check"] == "broken")
          std::printf("  %s #%d: %s\n", hunk["file"].get<std::string>().c_str(),
                      hunk["number"].get<int>(),
                      (hunk["check"] == "broken" ? hunk["check-says"] : hunk["reason"])
                          .get<std::string>()
                          .c_str());
    }
    if (!session.Finished())
      std::printf("in %s/work: %s\n", session.folder().c_str(), session.Working().c_str());
  });
}

}  // namespace restack::cli
